"""Index maps and layout changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, Compute, TensorType, Var, dims
from tondo_schedule import IndexMap, relayout, restore, transform_layout
from tondo_schedule.layout import Part

CALM = settings(derandomize=True, deadline=None, max_examples=25)


def panels(array: np.ndarray, axis: int, block: int) -> np.ndarray:
    """Blocks of ``axis`` first, the other axes, positions in the block last; zero-padded."""
    moved = np.moveaxis(array, axis, 0)
    missing = -moved.shape[0] % block
    padded = np.concatenate([moved, np.zeros((missing, *moved.shape[1:]), array.dtype)])
    return np.moveaxis(padded.reshape(-1, block, *moved.shape[1:]), 1, -1)


@CALM
@given(
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 4)),
    block=st.integers(1, 5),
    axis=st.integers(0, 2),
)
def test_relayout_and_back(shape: tuple[int, int, int], block: int, axis: int) -> None:
    others = [place for place in range(3) if place != axis]
    index_map = IndexMap.blocked(others, axis, block)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    tensor = TensorType(dims(shape), FLOAT32)
    (packed,) = run_tensor_function(relayout(tensor, index_map), [x])
    np.testing.assert_array_equal(packed, panels(x, axis, block))
    (plain,) = run_tensor_function(restore(tensor, index_map), [packed])
    np.testing.assert_array_equal(plain, x)


def test_symbolic_relayout() -> None:
    n = Var("n")
    index_map = IndexMap.blocked([0], 1, 4)
    (packed,) = run_tensor_function(
        relayout(TensorType(dims((3, n)), FLOAT32), index_map), [np.ones((3, 6), np.float32)]
    )
    assert packed.shape == (2, 3, 4)
    assert packed.sum() == 18


def test_maps_are_plain_data() -> None:
    index_map = IndexMap.blocked([2, 1], 0, 8)
    assert IndexMap.from_plain(index_map.to_plain()) == index_map
    assert IndexMap.permutation(range(3)).is_identity
    assert not index_map.is_identity


def test_maps_take_every_axis_once() -> None:
    with pytest.raises(ValueError, match="axis 0 is taken as whole, whole"):
        IndexMap((Part(0), Part(0)))
    with pytest.raises(ValueError, match="the axes are"):
        IndexMap((Part(1),))


@CALM
@given(order=st.permutations(range(3)), which=st.sampled_from(["X", "T", "O"]))
def test_transform_layout_of_any_buffer(order: list[int], which: str) -> None:
    builder = Compute("f")
    x = builder.input("X", TensorType(dims((2, 3, 4)), FLOAT32))
    t = builder.compute("T", (2, 3, 4), lambda i, j, k: x[i, j, k] * 2.0)
    function = builder.build(builder.compute("O", (2, 3, 4), lambda i, j, k: t[i, j, k] + t[i, 2 - j, k]))
    index_map = IndexMap.permutation(order)
    buffer = {"X": function.buffers[0], "O": function.buffers[1], "T": t}[which]
    changed = transform_layout(function, buffer, index_map)
    value = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    (result,) = run_tensor_function(changed, [value.transpose(order) if which == "X" else value])
    expected = value * 2 + (value * 2)[:, ::-1]
    np.testing.assert_allclose(result, expected.transpose(order) if which == "O" else expected, rtol=1e-6)


def test_transform_layout_of_a_reduced_buffer() -> None:
    builder = Compute("f")
    x = builder.input("X", TensorType(dims((2, 3, 4)), FLOAT32))
    function = builder.build(builder.reduce("S", (2, 3), (4,), lambda i, j, k: x[i, j, k]))
    changed = transform_layout(function, function.output_buffers[0], IndexMap.permutation((1, 0)))
    value = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    (result,) = run_tensor_function(changed, [value])
    np.testing.assert_array_equal(result, value.sum(axis=2).T)
    with pytest.raises(TondoError, match="axis 1 would be padded"):
        transform_layout(function, function.output_buffers[0], IndexMap.blocked([0], 1, 2))


def test_padding_of_a_written_buffer_is_zero() -> None:
    builder = Compute("f")
    x = builder.input("X", TensorType(dims((2, 3)), FLOAT32))
    function = builder.build(builder.compute("O", (2, 3), lambda i, j: x[i, j] + 1.0))
    changed = transform_layout(function, function.output_buffers[0], IndexMap.blocked([0], 1, 2))
    (result,) = run_tensor_function(changed, [np.zeros((2, 3), np.float32)])
    np.testing.assert_array_equal(result, panels(np.ones((2, 3), np.float32), 1, 2))


@CALM
@given(groups=st.integers(1, 4), size=st.integers(1, 9), block=st.integers(1, 5))
def test_groups_are_padded_each(groups: int, size: int, block: int) -> None:
    index_map = IndexMap(
        (Part(0, "group", size), Part(0, "outer", block, size), Part(1), Part(0, "inner", block, size))
    )
    assert IndexMap.from_plain(index_map.to_plain()) == index_map
    x = np.random.default_rng(0).standard_normal((groups * size, 3)).astype(np.float32)
    tensor = TensorType(dims(x.shape), FLOAT32)
    (packed,) = run_tensor_function(relayout(tensor, index_map), [x])
    wanted = np.stack([panels(x[g * size : (g + 1) * size], 0, block) for g in range(groups)])
    np.testing.assert_array_equal(packed, wanted)
    (plain,) = run_tensor_function(restore(tensor, index_map), [packed])
    np.testing.assert_array_equal(plain, x)


def test_blocks_of_groups_need_the_groups() -> None:
    with pytest.raises(ValueError, match="axis 0 is taken as inner, outer"):
        IndexMap((Part(0, "outer", 4, 8), Part(0, "inner", 4, 8)))
