"""NonMaxSuppression and Unique through the interpreter, against onnxruntime and numpy."""

from __future__ import annotations

import numpy as np
import pytest

F32 = "float32"


@pytest.mark.parametrize("centered", [0, 1])
@pytest.mark.parametrize("limit", [0, 2, 9])
def test_boxes_that_overlap_a_better_one_are_left_out(tools, rng, centered, limit):
    node = tools.node("NonMaxSuppression", ["b", "s", "n", "i", "t"], center_point_box=centered)
    types = {"b": (F32, (2, "k", 4)), "s": (F32, (2, 3, "k")), "n": ("int64", (1,)), "i": (F32, (1,)), "t": (F32, (1,))}
    corners = rng.uniform(0, 1, (2, 9, 2)).astype(F32)
    boxes = np.concatenate([corners, rng.uniform(0.2, 1, (2, 9, 2)).astype(F32)], -1)
    scores = rng.uniform(0, 1, (2, 3, 9)).astype(F32)
    more = (np.array([limit]), np.array([0.3], F32), np.array([0.2], F32))
    tools.check(tools.model([node], types), boxes, scores, *more)


@pytest.mark.parametrize("sort", [0, 1])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_different_slices(tools, rng, sort, axis):
    attributes = {} if axis is None else {"axis": axis}
    node = tools.node("Unique", ["x"], ["y", "i", "r", "c"], sorted=sort, **attributes)
    model = tools.model([node], {"x": ("int64", ("n", 4))}, ["y", "i", "r", "c"])
    tools.check(model, rng.integers(0, 2, (5, 4)))


@pytest.mark.parametrize(
    ("shape", "attributes"), [((200,), {}), ((3, 80), {"axis": 1}), ((90, 2), {"axis": 0, "sorted": 0})]
)
def test_unique_of_many(tools, rng, shape, attributes):
    outputs = ["y", "indices", "inverse", "counts"]
    model = tools.model([tools.node("Unique", ["x"], outputs, **attributes)], {"x": ("int64", shape)}, outputs)
    module = tools.check(model, rng.integers(0, 3, shape))
    assert [getattr(b.operation, "name", None) for b in module.graph().bindings] == ["tondo.sort.unique"]


@pytest.mark.parametrize("size", [100, "n"])
@pytest.mark.parametrize("largest", [0, 1])
def test_top_k_of_many(tools, rng, size, largest):
    node = tools.node("TopK", ["x", "k"], ["y", "i"], axis=1, largest=largest)
    model = tools.model([node], {"x": (F32, (2, size, 3))}, ["y", "i"], {"k": np.array([7])})
    module = tools.check(model, rng.normal(size=(2, 100, 3)).astype(F32))
    assert module.graph().bindings[-1].operation.name == "tondo.sort.top_k"


def test_top_k_of_a_size_that_data_decides(tools, rng):
    model = tools.model(
        [tools.node("TopK", ["x", "k"], ["y", "i"])], {"x": (F32, (2, 100)), "k": ("int64", (1,))}, ["y", "i"]
    )
    tools.check(model, rng.normal(size=(2, 100)).astype(F32), np.array([5]))


def test_space_to_depth_in_both_orders(tools, rng):
    x = rng.normal(size=(2, 3, 4, 6)).astype(F32)
    model = tools.model(
        [tools.node("SpaceToDepth", ["x"], blocksize=2, mode="CRD")], {"x": (F32, ("n", 3, 4, 6))}, opset=28
    )
    wanted = x.reshape(2, 3, 2, 2, 3, 2).transpose(0, 1, 3, 5, 2, 4).reshape(2, 12, 2, 3)
    np.testing.assert_array_equal(tools.run(tools.load(model), [x])[0], wanted)


def test_dropout_that_trains(tools):
    """A third is dropped, the others are larger by as much; a node with a seed drops the same ones in every call."""
    constants = {"r": np.float32(1 / 3), "t": np.array(True)}
    x = np.ones((40, 50), F32)
    model = tools.model(
        [tools.node("Dropout", ["x", "r", "t"], ["y", "m"], seed=3)],
        {"x": (F32, ("n", 50))},
        ["y", "m"],
        constants,
        opset=13,
    )
    module = tools.load(model)
    (y, mask), (again, _) = tools.run(module, [x]), tools.run(module, [x])
    np.testing.assert_array_equal(y, again)
    np.testing.assert_allclose(y, np.where(mask, 1.5, 0), rtol=1e-6)
    assert 0.6 < mask.mean() < 0.73


def test_dropout_that_the_call_switches_off(tools, rng):
    x = rng.normal(size=(3, 4)).astype(F32)
    inputs = {"x": (F32, (3, 4)), "r": (F32, ()), "t": ("bool", ())}
    module = tools.load(tools.model([tools.node("Dropout", ["x", "r", "t"])], inputs, opset=13))
    np.testing.assert_array_equal(tools.run(module, [x, np.float32(0.5), np.array(False)])[0], x)
    assert (tools.run(module, [x, np.float32(0.9), np.array(True)])[0] == 0).sum() >= 6
