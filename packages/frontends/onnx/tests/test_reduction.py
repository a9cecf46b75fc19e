"""Reductions, softmax, scans and top-k of all versions, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

F = "float32"
REDUCTIONS = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
]


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize("keep", [0, 1])
def test_axes_as_attribute_and_as_input(tools, rng, op, keep):
    x = rng.uniform(0.5, 2, size=(2, 3, 4)).astype(F)
    old = tools.model([tools.node(op, ["x"], axes=[-1, 0], keepdims=keep)], {"x": (F, ("n", 3, 4))}, opset=11)
    tools.check(old, x)
    new = tools.model(
        [tools.node(op, ["x", "axes"], keepdims=keep)],
        {"x": (F, ("n", 3, 4))},
        constants={"axes": np.array([1])},
        opset=18,
    )
    tools.check(new, x)
    tools.check(tools.model([tools.node(op, ["x"], keepdims=keep)], {"x": (F, (2, 3, 4))}, opset=18), x)


def test_no_axes_may_mean_no_reduction(tools, rng):
    node = tools.node("ReduceSum", ["x"], noop_with_empty_axes=1)
    tools.check(tools.model([node], {"x": (F, (2, 3))}), rng.normal(size=(2, 3)).astype(F))


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize(("opset", "axis"), [(11, None), (11, 1), (11, 2), (11, 0), (13, None), (13, 1), (13, -2)])
def test_softmax_old_and_new(tools, rng, op, opset, axis):
    node = tools.node(op, ["x"], **({} if axis is None else {"axis": axis}))
    tools.check(tools.model([node], {"x": (F, ("n", 3, 4))}, opset=opset), rng.normal(size=(2, 3, 4)).astype(F))


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
def test_arg(tools, op, last):
    node = tools.node(op, ["x"], axis=1, keepdims=0, select_last_index=last)
    tools.check(tools.model([node], {"x": (F, (2, 4))}), np.array([[1, 3, 3, 1], [1, 0, 1, 0]], F))


def test_cumsum(tools, rng):
    node = tools.node("CumSum", ["x", "axis"], exclusive=1, reverse=1)
    tools.check(
        tools.model([node], {"x": (F, (3, 4))}, constants={"axis": np.int64(-1)}), rng.normal(size=(3, 4)).astype(F)
    )


@pytest.mark.parametrize("opset", [1, 10, 11])
def test_top_k(tools, rng, opset):
    x = rng.permutation(12).reshape(3, 4).astype(F)
    if opset == 1:
        model = tools.model(
            [tools.node("TopK", ["x"], ["v", "i"], k=2, axis=1)], {"x": (F, (3, 4))}, ["v", "i"], opset=9
        )
    else:
        node = tools.node("TopK", ["x", "k"], ["v", "i"], axis=-1, **({"largest": 0} if opset == 11 else {}))
        model = tools.model([node], {"x": (F, (3, 4))}, ["v", "i"], {"k": np.array([2])}, opset=opset)
    tools.check(model, x)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
def test_global_pool(tools, rng, op):
    tools.check(
        tools.model([tools.node(op, ["x"])], {"x": (F, ("n", 3, 4, 5))}), rng.normal(size=(2, 3, 4, 5)).astype(F)
    )
