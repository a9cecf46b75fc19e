"""The models that are mutated: small ones of the official suite, and tiny networks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

_LARGEST = 16 * 1024
_PER_OPERATOR = 3
_BY_CHANCE = ("Bernoulli", "Dropout", "Multinomial", "Random")
"""Operators whose results no reference confirms."""


@dataclass(frozen=True)
class Seed:
    """A model and inputs that fit it."""

    name: str
    model: onnx.ModelProto
    inputs: dict[str, np.ndarray]


@cache
def seeds() -> tuple[Seed, ...]:
    """Return all seeds; the order is always the same."""
    return (*_networks(), *_suite())


def _suite() -> list[Seed]:
    """Return a few cases of each operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = sorted(load_model_tests(kind="node"), key=lambda test: test.name)
    found: list[Seed] = []
    counts: dict[str, int] = {}
    for test in tests:
        model = test.model
        if model is None or not test.data_sets or model.ByteSize() > _LARGEST:
            continue
        if any(node.op_type.startswith(_BY_CHANCE) for node in model.graph.node):
            continue
        if any(value.type.WhichOneof("value") != "tensor_type" for value in model.graph.input):
            continue
        kind = "+".join(sorted({node.op_type for node in model.graph.node}))
        counts[kind] = counts.get(kind, 0) + 1
        arrays = test.data_sets[0][0]
        if counts[kind] > _PER_OPERATOR or not all(isinstance(array, np.ndarray) for array in arrays):
            continue
        names = [value.name for value in model.graph.input]
        found.append(Seed(test.name, model, dict(zip(names, arrays, strict=False))))
    return found


def _networks() -> list[Seed]:
    return [_convolutions(), _attention(), _shapes(), _loop()]


def _made(name: str, nodes, inputs, outputs, weights=()) -> Seed:
    generator = np.random.default_rng(0)
    values = [helper.make_tensor_value_info(key, kind, shape) for key, (kind, shape, _) in inputs.items()]
    results = [helper.make_tensor_value_info(key, kind, None) for key, kind in outputs.items()]
    stored = [
        numpy_helper.from_array(
            generator.standard_normal(value).astype(np.float32) if isinstance(value, tuple) else np.asarray(value), key
        )
        for key, value in dict(weights).items()
    ]
    graph = helper.make_graph(nodes, name, values, results, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feeds = {
        key: generator.standard_normal(size).astype(np.float32)
        if kind == TensorProto.FLOAT
        else generator.integers(1, 4, size)
        for key, (kind, _, size) in inputs.items()
    }
    return Seed(name, model, feeds)


def _convolutions() -> Seed:
    node = helper.make_node
    return _made(
        "convolutions",
        [
            node("Conv", ["x", "w0", "b0"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
            node("Relu", ["a"], ["b"]),
            node("Conv", ["b", "w1"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=8),
            node("Clip", ["c", "low", "high"], ["d"]),
            node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Add", ["e", "e"], ["f"]),
            node("GlobalAveragePool", ["f"], ["g"]),
            node("Flatten", ["g"], ["h"]),
            node("Gemm", ["h", "w2", "b2"], ["y"], transB=1),
        ],
        {"x": (TensorProto.FLOAT, ["n", 3, 16, 16], (2, 3, 16, 16))},
        {"y": TensorProto.FLOAT},
        {
            "w0": (8, 3, 3, 3), "b0": (8,), "w1": (8, 1, 3, 3), "w2": (5, 8), "b2": (5,),
            "low": np.float32(0), "high": np.float32(6),
        },
    )  # fmt: skip


def _attention() -> Seed:
    node = helper.make_node
    return _made(
        "attention",
        [
            node("LayerNormalization", ["x", "scale", "shift"], ["n"], axis=-1),
            node("MatMul", ["n", "wq"], ["q"]),
            node("MatMul", ["n", "wk"], ["k"]),
            node("MatMul", ["n", "wv"], ["v"]),
            node("Transpose", ["k"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["q", "t"], ["s"]),
            node("Mul", ["s", "factor"], ["m"]),
            node("Softmax", ["m"], ["p"], axis=-1),
            node("MatMul", ["p", "v"], ["o"]),
            node("Add", ["o", "x"], ["y"]),
        ],
        {"x": (TensorProto.FLOAT, ["batch", "seq", 8], (2, 5, 8))},
        {"y": TensorProto.FLOAT},
        {
            "scale": (8,), "shift": (8,), "wq": (8, 8), "wk": (8, 8), "wv": (8, 8), "factor": np.float32(0.35),
        },
    )  # fmt: skip


def _shapes() -> Seed:
    node = helper.make_node
    return _made(
        "shapes",
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["n"]),
            node("Gather", ["s", "one"], ["m"]),
            node("Mul", ["n", "m"], ["nm"]),
            node("Concat", ["nm", "minus"], ["target"], axis=0),
            node("Reshape", ["x", "target"], ["flat"]),
            node("Slice", ["flat", "zero", "nm", "zero"], ["part"]),
            node("Expand", ["part", "target3"], ["wide"]),
            node("Split", ["wide"], ["left", "right"], axis=2, num_outputs=2),
            node("Concat", ["right", "left"], ["y"], axis=1),
        ],
        {"x": (TensorProto.FLOAT, ["n", "m", 4], (2, 3, 4))},
        {"y": TensorProto.FLOAT},
        {
            "zero": np.array([0]), "one": np.array([1]), "minus": np.array([-1]), "target3": np.array([2, 1, 1]),
        },
    )  # fmt: skip


def _loop() -> Seed:
    node = helper.make_node
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            node("Identity", ["go"], ["still"]),
            node("MatMul", ["state", "w"], ["turned"]),
            node("Tanh", ["turned"], ["next"]),
            node("Identity", ["next"], ["seen"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("state", TensorProto.FLOAT, ["n", 4]),
        ],
        [
            value("still", TensorProto.BOOL, []),
            value("next", TensorProto.FLOAT, ["n", 4]),
            value("seen", TensorProto.FLOAT, ["n", 4]),
        ],
    )
    return _made(
        "loop",
        [node("Loop", ["trips", "yes", "x"], ["last", "all"], body=body)],
        {"trips": (TensorProto.INT64, [], ()), "x": (TensorProto.FLOAT, ["n", 4], (3, 4))},
        {"last": TensorProto.FLOAT, "all": TensorProto.FLOAT},
        {"w": (4, 4), "yes": np.array(True)},
    )
