"""Axes, pads and diagonals that are inputs of the model: one model, several contents, against the reference of onnx."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

I64 = "int64"
F32 = "float32"


def _agrees(tools, model, *arrays):
    wanted = ReferenceEvaluator(model).run(None, dict(zip([v.name for v in model.graph.input], arrays, strict=True)))
    got = tools.run(tools.load(model), arrays)
    for mine, other in zip(got, wanted, strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMax", "ReduceL2", "ReduceLogSumExp"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(tools, rng, op, keepdims):
    node = tools.node(op, ["x", "axes"], keepdims=keepdims)
    model = tools.model([node], {"x": (F32, (2, "n", 4)), "axes": (I64, (2,))}, opset=18)
    x = rng.standard_normal((2, 3, 4)).astype(F32)
    for axes in ([0, 2], [1, 0], [-1, -2]):
        _agrees(tools, model, x, np.array(axes))


@pytest.mark.parametrize("noop", [0, 1])
def test_reductions_over_as_many_axes_as_there_are(tools, rng, noop):
    node = tools.node("ReduceMean", ["x", "axes"], noop_with_empty_axes=noop)
    model = tools.model([node], {"x": (F32, (2, 3)), "axes": (I64, ("k",))}, opset=18)
    for axes in ([0], [1, 0]):
        _agrees(tools, model, rng.standard_normal((2, 3)).astype(F32), np.array(axes))


@pytest.mark.parametrize("op", ["CumSum"])
@pytest.mark.parametrize("attributes", [{}, {"reverse": 1}, {"exclusive": 1}])
def test_running_sums(tools, rng, op, attributes):
    model = tools.model([tools.node(op, ["x", "axis"], **attributes)], {"x": (F32, (2, 3, 4)), "axis": (I64, ())})
    for axis in (0, 1, -1):
        _agrees(tools, model, rng.standard_normal((2, 3, 4)).astype(F32), np.array(axis))


def test_squeeze_and_unsqueeze(tools, rng):
    squeeze = tools.model([tools.node("Squeeze", ["x", "axes"])], {"x": (F32, (1, 3, 1, 4)), "axes": (I64, (1,))})
    for axis in (0, 2, -2):
        _agrees(tools, squeeze, rng.standard_normal((1, 3, 1, 4)).astype(F32), np.array([axis]))
    insert = tools.model([tools.node("Unsqueeze", ["x", "axes"])], {"x": (F32, (3, 4)), "axes": (I64, (2,))})
    for axes in ([0, 1], [3, 0], [-1, 1]):
        _agrees(tools, insert, rng.standard_normal((3, 4)).astype(F32), np.array(axes))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pads(tools, rng, mode):
    node = tools.node("Pad", ["x", "pads", "value"], mode=mode)
    types = {"x": (F32, (3, "n")), "pads": (I64, (4,)), "value": (F32, ())}
    model = tools.model([node], types, opset=19)
    for pads in ([1, 2, 0, 1], [0, 0, 2, 2]):
        _agrees(tools, model, rng.standard_normal((3, 4)).astype(F32), np.array(pads), np.float32(7).reshape(()))


def test_pads_along_some_axes_may_cut(tools, rng):
    model = tools.model(
        [tools.node("Pad", ["x", "pads", "", "axes"])],
        {"x": (F32, (3, 5)), "pads": (I64, (2,)), "axes": (I64, (1,))},
        opset=18,
    )
    for pads, axis in (([1, 2], 0), ([-1, 2], 1), ([-2, -1], -1)):
        tools.check(model, rng.standard_normal((3, 5)).astype(F32), np.array(pads), np.array([axis]))


@pytest.mark.parametrize("upper", [0, 1])
def test_diagonals(tools, rng, upper):
    model = tools.model([tools.node("Trilu", ["x", "k"], upper=upper)], {"x": (F32, (4, 5)), "k": (I64, ())})
    for k in (-6, -1, 0, 2, 7):
        _agrees(tools, model, rng.standard_normal((4, 5)).astype(F32), np.array(k))
