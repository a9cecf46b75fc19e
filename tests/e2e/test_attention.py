"""Attention in native code against onnxruntime: masks, shared heads, layouts, free sizes, long rows; memory."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference import answers, of_range

import tondo
from tondo.ir import Const

pytestmark = [pytest.mark.slow, pytest.mark.llvm]

TOLERANCE = 1e-5
HEADS, DEPTH = 6, 16


def attention(heads: int, mask: str, free: bool, sizes: tuple[int, int, int]) -> onnx.ModelProto:
    """Attention of 6 heads that share ``heads`` heads of keys, from ``[batch, rows, features]``."""
    batch, rows, columns = ("batch", "rows", "columns") if free else sizes
    inputs = {
        "q": [batch, rows, HEADS * DEPTH],
        "k": [batch, columns, heads * DEPTH],
        "v": [batch, columns, heads * DEPTH],
    }
    constants: dict[str, np.ndarray] = {
        "scale": np.float32(DEPTH**-0.5),
        "lowest": np.float32(-np.inf),
        "zero": np.float32(0),
        "axis": np.array([2]),
        "group": np.array([1, 1, HEADS // heads, 1, 1]),
        "joined": np.array([0, HEADS, -1, DEPTH]),
        "flat": np.array([0, 0, HEADS * DEPTH]),
    }
    nodes: list[onnx.NodeProto] = []

    def node(kind: str, *names: str, **attributes: object) -> None:
        nodes.append(helper.make_node(kind, list(names[:-1]), [names[-1]], **attributes))

    for name in "qkv":
        count = HEADS if name == "q" else heads
        constants[f"{name}_shape"] = np.array([0, 0, count, DEPTH])
        node("Reshape", name, f"{name}_shape", f"{name}4")
        node("Transpose", f"{name}4", f"{name}_own", perm=[0, 2, 1, 3])
        if count != HEADS:
            node("Unsqueeze", f"{name}_own", "axis", f"{name}5")
            node("Expand", f"{name}5", "group", f"{name}6")
            node("Reshape", f"{name}6", "joined", f"{name}_all")
        else:
            node("Identity", f"{name}_own", f"{name}_all")
    node("Transpose", "k_all", "turned", perm=[0, 1, 3, 2])
    node("MatMul", "q_all", "turned", "products")
    node("Mul", "products", "scale", "scores")
    if mask == "where":
        inputs["mask"] = [batch, 1, rows, columns]
        node("Where", "mask", "scores", "lowest", "masked")
    elif mask == "add":
        inputs["mask"] = [batch, 1, 1, columns]
        node("Add", "scores", "mask", "masked")
    else:
        node("Identity", "scores", "masked")
    node("Softmax", "masked", "parts", axis=-1)
    node("IsNaN", "parts", "missing")
    node("Where", "missing", "zero", "parts", "weights")
    node("MatMul", "weights", "v_all", "sums")
    node("Transpose", "sums", "sums_turned", perm=[0, 2, 1, 3])
    node("Reshape", "sums_turned", "flat", "y")
    used = {name for item in nodes for name in item.input}
    kinds = {"mask": TensorProto.BOOL if mask == "where" else TensorProto.FLOAT}
    graph = helper.make_graph(
        nodes,
        "attention",
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), dims)
            for name, dims in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, rows, HEADS * DEPTH])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def feed(heads: int, mask: str, sizes: tuple[int, int, int]) -> dict[str, np.ndarray]:
    batch, rows, columns = sizes
    generator = np.random.default_rng(rows)
    shapes = {"q": (batch, rows, HEADS * DEPTH)} | dict.fromkeys("kv", (batch, columns, heads * DEPTH))
    found = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    if mask == "where":
        found["mask"] = generator.random((batch, 1, rows, columns)) < 0.7
        found["mask"][0, 0, 0] = False
    elif mask == "add":
        found["mask"] = np.where(generator.random((batch, 1, 1, columns)) < 0.3, -1e9, 0).astype(np.float32)
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("heads", "mask"), [(6, "where"), (2, "add"), (1, "none")])
@pytest.mark.parametrize("target", ["native", "cpu=haswell"])
def test_free_sizes(heads: int, mask: str, target: str, threads: int) -> None:
    model = attention(heads, mask, True, (0, 0, 0))
    with closing(tondo.compile(model, target=target, threads=threads, config={"cache": False})) as compiled:
        for sizes in ((1, 1, 1), (2, 3, 40), (1, 4, 7), (2, 61, 61), (1, 130, 700)):
            given = feed(heads, mask, sizes)
            difference = of_range(compiled.run(given)["y"], answers(model, given)["y"])
            assert difference <= TOLERANCE, f"{sizes}: {difference:.1e}"


@pytest.mark.parametrize("sizes", [(1, 1, 300), (2, 53, 53), (1, 197, 600)])
def test_fixed_sizes(sizes: tuple[int, int, int]) -> None:
    model = attention(2, "where", False, sizes)
    given = feed(2, "where", sizes)
    with closing(tondo.compile(model, threads=2, config={"cache": False})) as compiled:
        assert of_range(compiled.run(given)["y"], answers(model, given)["y"]) <= TOLERANCE


def test_no_matrix_of_scores_in_memory() -> None:
    rows = 2048
    compiled = tondo.compile(attention(6, "none", False, (1, rows, rows)), threads=1, config={"cache": False})
    assert compiled.module is not None
    size = compiled.module.attrs["workspace"]
    assert isinstance(size, Const)
    assert size.value < HEADS * rows * rows * 4 / 20
