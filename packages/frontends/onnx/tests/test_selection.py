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
