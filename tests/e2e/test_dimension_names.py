"""Symbolic dimensions may have any name: of a parameter, of a loop, of a word of Python or of the script."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import tondo
from tondo.script import parse, script

pytestmark = pytest.mark.llvm

NAMES = [
    ("a", "b"),
    ("b", "a"),
    ("x", "y"),
    ("data", "w"),
    ("i", "j"),
    ("k", "n"),
    ("workspace", "main"),
    ("y_0", "y_l0"),
    ("x0", "y_l1"),
    ("for", "None"),
    ("lambda", "match"),
    ("min", "select"),
    ("serial", "Tensor"),
    ("int32", "float32"),
    ("expr", "call_dps"),
    ("batch size", "1st"),
]


def _model(first: str, second: str) -> onnx.ModelProto:
    """Sums, products, normalisation, joining and moving of ``data [first, second, 8]`` and ``more [first, 1, 8]``."""
    generator = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(generator.standard_normal(shape).astype(np.float32), name)
        for name, shape in {"w": (8, 12), "c": (12,), "scale": (12,)}.items()
    ]
    nodes = [
        helper.make_node("Add", ["data", "more"], ["sum"]),
        helper.make_node("MatMul", ["sum", "w"], ["product"]),
        helper.make_node("LayerNormalization", ["product", "scale", "c"], ["normal"], axis=-1),
        helper.make_node("Softmax", ["normal"], ["soft"], axis=1),
        helper.make_node("Concat", ["soft", "normal"], ["joined"], axis=1),
        helper.make_node("Transpose", ["joined"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["joined", "turned"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["mean"], axes=[2], keepdims=1),
        helper.make_node("Sub", ["square", "mean"], ["a"]),
        helper.make_node("Relu", ["a"], ["result"]),
    ]
    graph = helper.make_graph(
        nodes,
        "names",
        [
            helper.make_tensor_value_info("data", TensorProto.FLOAT, [first, second, 8]),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, [first, 1, 8]),
        ],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("names", NAMES, ids=lambda names: "-".join(names).replace(" ", "_"))
def test_any_name_of_a_dimension_compiles(names: tuple[str, str]) -> None:
    model = _model(*names)
    compiled = tondo.compile(model, threads=1, config={"codegen": {"use": "llvm", "opt_level": 1}})
    assert compiled.module is not None
    assert parse(script(compiled.module), constants=compiled.module.constants) == compiled.module
    reference = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(1)
    for first, second in ((1, 1), (3, 5)):
        feeds = {
            "data": generator.standard_normal((first, second, 8), np.float32),
            "more": generator.standard_normal((first, 1, 8), np.float32),
        }
        (expected,) = reference.run(None, feeds)
        np.testing.assert_allclose(compiled.run(feeds)["result"], expected, rtol=1e-4, atol=1e-4)
