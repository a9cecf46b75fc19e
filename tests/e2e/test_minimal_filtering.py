"""Convolutions in transformed coordinates in whole graphs: any size, batch and epilogue, against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference import of_range, session

import tondo
from tondo_passes.plugin import CPU

pytestmark = pytest.mark.llvm

CHANNELS = 32
PASS = "graph.minimal_filtering"
FORMS = {"same": (3, (1, 1, 1, 1)), "valid": (3, (0, 0, 0, 0)), "uneven": (3, (0, 2, 1, 0)), "five": (5, (2, 2, 2, 2))}


def residual(shape: Sequence[int | str], form: str, groups: int = 1) -> onnx.ModelProto:
    """``silu(conv(relu(conv(x))) + project(x))`` beside the first convolution, joined along the channels."""
    taps, pads = FORMS[form]
    generator = np.random.default_rng(5)
    sizes = {"w0": (CHANNELS, taps, taps), "w1": (CHANNELS // groups, 3, 3), "w2": (CHANNELS, 1, 1)}
    weights = [
        numpy_helper.from_array(
            (generator.standard_normal((CHANNELS, *size)) / np.sqrt(np.prod(size))).astype("f"),
            name,
        )
        for name, size in sizes.items()
    ]
    weights.append(numpy_helper.from_array(generator.standard_normal(CHANNELS).astype("f"), "bias"))
    nodes = [
        helper.make_node("Conv", ["x", "w0", "bias"], ["first"], pads=pads),
        helper.make_node("Relu", ["first"], ["positive"]),
        helper.make_node("Conv", ["positive", "w1"], ["second"], pads=(1, 1, 1, 1), group=groups),
        helper.make_node("Conv", ["positive", "w2"], ["projected"]),
        helper.make_node("Add", ["second", "projected"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["gate"]),
        helper.make_node("Mul", ["sum", "gate"], ["silu"]),
        helper.make_node("Concat", ["positive", "silu"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("batch", "size", "threads"), [(1, 14, 1), (3, 7, 2)])
def test_fixed_sizes(form: str, batch: int, size: int, threads: int) -> None:
    model = residual([batch, CHANNELS, size, size + 3], form)
    image = np.random.default_rng(batch).standard_normal((batch, CHANNELS, size, size + 3)).astype("f")
    (expected,) = session(model).run(None, {"x": image})
    found = tondo.compile(model, threads=threads)(image)
    assert of_range(found, expected) < 5e-6


@pytest.mark.parametrize("size", [8, 13])
def test_groups(size: int) -> None:
    model = residual([2, CHANNELS, size, size], "same", groups=2)
    image = np.random.default_rng(size).standard_normal((2, CHANNELS, size, size)).astype("f")
    (expected,) = session(model).run(None, {"x": image})
    assert of_range(tondo.compile(model)(image), expected) < 5e-6


def test_any_size() -> None:
    model = residual(["n", CHANNELS, "h", "w"], "same")
    engine = session(model)
    compiled = tondo.compile(model, threads=2)
    for shape in ((1, CHANNELS, 5, 4), (2, CHANNELS, 17, 30), (3, CHANNELS, 1, 1)):
        image = np.random.default_rng(0).standard_normal(shape).astype("f")
        (expected,) = engine.run(None, {"x": image})
        assert of_range(compiled(image), expected) < 5e-6


def test_the_pipeline_switches_it_off() -> None:
    model = residual([1, CHANNELS, 14, 14], "same")
    image = np.random.default_rng(0).standard_normal((1, CHANNELS, 14, 14)).astype("f")
    steps = [{"use": PASS, "outputs": 1} if step.use == PASS else step.use for step in CPU.passes]
    direct = tondo.compile(model, config={"passes": steps})(image)
    without = tondo.compile(model, config={"passes": [step.use for step in CPU.passes if step.use != PASS]})(image)
    filtered = tondo.compile(model)(image)
    np.testing.assert_array_equal(direct, without)
    assert np.any(filtered != direct)
    assert of_range(filtered, direct) < 5e-6
