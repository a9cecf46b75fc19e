"""Products of one activation with several weights in whole graphs, against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference import of_range, session

import tondo
from tondo.ir import CallDps
from tondo.passes.instruments import Step
from tondo_schedule.facts import stages_of

pytestmark = pytest.mark.llvm

PASS = "graph.fuse_horizontal"


def model_of(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    outputs: Sequence[str],
    sizes: dict[str, tuple[int, ...]],
) -> onnx.ModelProto:
    generator = np.random.default_rng(7)
    arrays = {
        name: (generator.standard_normal(size) / np.sqrt(max(size[-1], 1))).astype("f") for name, size in sizes.items()
    }
    graph = helper.make_graph(
        list(nodes),
        "parallel",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def projections(rows: int | str, *, bias: bool) -> onnx.ModelProto:
    """Queries (scaled), keys (negated) and values of ``x``, as heads."""
    nodes: list[onnx.NodeProto] = []
    sizes: dict[str, tuple[int, ...]] = {"scale": (1,)}
    for name, heads in (("q", 6), ("k", 2), ("v", 2)):
        sizes[f"w{name}"] = (48, heads * 8)
        nodes.append(helper.make_node("MatMul", ["x", f"w{name}"], [f"{name}0"]))
        if bias:
            sizes[f"b{name}"] = (heads * 8,)
            nodes.append(helper.make_node("Add", [f"{name}0", f"b{name}"], [f"{name}1"]))
        nodes.append(helper.make_node("Reshape", [f"{name}{int(bias)}", f"shape_{name}"], [f"{name}2"]))
        nodes.append(helper.make_node("Transpose", [f"{name}2"], [f"{name}3"], perm=[0, 2, 1, 3]))
    nodes.append(helper.make_node("Mul", ["q3", "scale"], ["q"]))
    nodes.append(helper.make_node("Neg", ["k3"], ["k"]))
    nodes.append(helper.make_node("Identity", ["v3"], ["v"]))
    made = model_of(nodes, ["batch", rows, 48], ["q", "k", "v"], sizes)
    shapes = {"q": 6, "k": 2, "v": 2}
    made.graph.initializer.extend(
        numpy_helper.from_array(np.array([0, 0, heads, 8], np.int64), f"shape_{name}") for name, heads in shapes.items()
    )
    return made


def branches(columns: Sequence[int]) -> onnx.ModelProto:
    """1x1 convolutions of ``x``; the first is a result, the last feeds a 3x3 one, all are joined."""
    nodes: list[onnx.NodeProto] = []
    sizes: dict[str, tuple[int, ...]] = {"w3": (8, columns[-1], 3, 3)}
    for place, count in enumerate(columns):
        sizes |= {f"w_{place}": (count, 96, 1, 1), f"b_{place}": (count,)}
        nodes.append(helper.make_node("Conv", ["x", f"w_{place}", f"b_{place}"], [f"c_{place}"]))
        nodes.append(helper.make_node("Relu", [f"c_{place}"], [f"r_{place}"]))
    last = f"r_{len(columns) - 1}"
    nodes.append(helper.make_node("Conv", [last, "w3"], ["wide"], pads=(1, 1, 1, 1)))
    nodes.append(helper.make_node("Concat", [*(f"r_{i}" for i in range(len(columns))), "wide"], ["y"], axis=1))
    return model_of(nodes, [1, 96, 9, 11], ["y", "r_0"], sizes)


@dataclass
class Products:
    """Counts the calls that multiply when the pass is done."""

    count: int = 0

    def before(self, step: Step, module: tondo.IRModule) -> None:
        pass

    def after(self, step: Step, module: tondo.IRModule) -> None:
        if step.name == PASS:
            calls = [item.operation for item in module.graph().bindings if isinstance(item.operation, CallDps)]
            stages = [stage for call in calls for stage in stages_of(module.tensor(call.function)) or ()]
            self.count = sum(stage.kind == "contraction" for stage in stages)


def check(model: onnx.ModelProto, x: np.ndarray, threads: int, products: int) -> None:
    counter = Products()
    compiled = tondo.compile(model, threads=threads, instruments=[counter])
    assert counter.count == products
    for found, expected in zip(compiled.run({"x": x}).values(), session(model).run(None, {"x": x}), strict=True):
        assert of_range(found, expected) < 5e-6


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("rows", "batch", "threads"), [(1, 1, 1), (1, 3, 2), (1, 1, 2)])
def test_projections_of_one_row(bias: bool, rows: int, batch: int, threads: int) -> None:
    x = np.random.default_rng(rows).standard_normal((batch, rows, 48)).astype("f")
    check(projections(rows, bias=bias), x, threads, products=1)


@pytest.mark.parametrize("columns", [(8, 8), (24, 4, 8)])
def test_narrow_branches(columns: Sequence[int]) -> None:
    x = np.random.default_rng(0).standard_normal((1, 96, 9, 11)).astype("f")
    check(branches(columns), x, 2, products=2)
