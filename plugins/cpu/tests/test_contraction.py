"""The contraction rule against numpy: any extents, layouts and machines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    Block,
    Compute,
    Const,
    Expr,
    For,
    Intrin,
    TensorFunction,
    TensorType,
    Var,
    dims,
    maximum,
    select,
    walk,
)
from tondo.passes import Miss
from tondo.passes.rule import RecordedChoices
from tondo.target import Caches, Target
from tondo_cpu.contraction.rule import ContractionRule
from tondo_cpu.contraction.tile import Tile, best, even, heights, legal, uneven_efficiency
from tondo_cpu.machine import Machine
from tondo_passes.tensor import LOWERING
from tondo_schedule import relayout, transform_layout

WIDE = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 2)
AVX2 = Target("cpu", "any", "any", frozenset(), 256, 16, Caches(32768, 1 << 20, 0), 1)
NARROW = Target("cpu", "any", "any", frozenset(), 128, 16, Caches(32768, 1 << 20, 0), 1)
MACHINES = st.sampled_from([WIDE, AVX2, NARROW])
N = Var("n")
CALM = settings(derandomize=True, deadline=None, max_examples=15)


def scheduled(function: TensorFunction, target: Target) -> TensorFunction:
    result = ContractionRule().apply(function, RecordedChoices(target))
    assert isinstance(result, TensorFunction), result
    return result


def run(function: TensorFunction, *arrays: np.ndarray) -> np.ndarray:
    for step in LOWERING:
        if step.name not in {"tensor.lift_workspace", "tensor.flatten"}:
            function = step.apply(function)
    return run_tensor_function(function, arrays)[0]


def values(*shape: int) -> np.ndarray:
    """Small integers, on which float sums are exact in any order."""
    return np.random.default_rng(len(shape)).integers(-8, 8, shape).astype(np.float32)


def dense(m: int | Var, n: int | Var, k: int) -> TensorFunction:
    builder = Compute("dense")
    a = builder.input("A", TensorType(dims((m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((k, n)), FLOAT32))
    bias = builder.input("bias", TensorType(dims((n,)), FLOAT32))
    total = builder.reduce("T", (m, n), (k,), lambda i, j, r: a[i, r] * b[r, j])
    shifted = builder.compute("U", (m, n), lambda i, j: total[i, j] + bias[j])
    return builder.build(builder.compute("O", (m, n), lambda i, j: maximum(shifted[i, j], 0.0)))


def arranged(
    function: TensorFunction, arrays: list[np.ndarray], target: Target
) -> tuple[TensorFunction, list[np.ndarray]]:
    """Grant all wishes of the rule; the result must be in the wished layout, too."""
    for wish in ContractionRule().wishes(function, target):
        buffer = function.buffers[wish.parameter]
        function = transform_layout(function, buffer, wish.index_map)
        if wish.parameter < len(arrays):
            copy = relayout(TensorType(buffer.shape, buffer.dtype), wish.index_map)
            arrays[wish.parameter] = run_tensor_function(copy, [arrays[wish.parameter]])[0]
    return function, arrays


@CALM
@given(m=st.integers(1, 20), n=st.integers(1, 50), k=st.integers(1, 5), target=MACHINES, wishes=st.booleans())
def test_dense(m: int, n: int, k: int, target: Target, *, wishes: bool) -> None:
    arrays = [values(m, k), values(k, n), values(n)]
    expected = np.maximum(arrays[0] @ arrays[1] + arrays[2], 0)
    function = dense(m, n, k)
    if wishes:
        function, arrays = arranged(function, arrays, target)
    np.testing.assert_array_equal(run(scheduled(function, target), *arrays), expected)


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 13])
@pytest.mark.parametrize("columns", [1, 15, 16, 70])
def test_unknown_rows_and_columns(rows: int, columns: int) -> None:
    arrays = [values(rows, 3), values(3, columns), values(columns)]
    expected = np.maximum(arrays[0] @ arrays[1] + arrays[2], 0)
    for function in (dense(Var("m"), columns, 3), dense(rows, Var("n"), 3), dense(Var("m"), Var("n"), 3)):
        np.testing.assert_array_equal(run(scheduled(function, WIDE), *arrays), expected)


def convolution(n: int, c: int, o: int, size: int, taps: int, stride: int, pad: int) -> TensorFunction:
    builder = Compute("conv")
    x = builder.input("X", TensorType(dims((n, c, size, size)), FLOAT32))
    w = builder.input("W", TensorType(dims((o, c, taps, taps)), FLOAT32))
    inner, out = size + 2 * pad, (size + 2 * pad - taps) // stride + 1
    data = x
    if pad:

        def padded(b: Var, ch: Var, i: Var, j: Var) -> Expr:
            inside = (i >= pad) & (i < size + pad) & (j >= pad) & (j < size + pad)
            return select(inside, x[b, ch, i - pad, j - pad], Const(0, FLOAT32))

        data = builder.compute("P", (n, c, inner, inner), padded)
    total = builder.reduce(
        "T",
        (n, o, out, out),
        (c, taps, taps),
        lambda b, oc, i, j, ch, p, q: data[b, ch, i * stride + p, j * stride + q] * w[oc, ch, p, q],
    )
    return builder.build(builder.compute("O", (n, o, out, out), lambda b, oc, i, j: maximum(total[b, oc, i, j], 0.0)))


def reference(x: np.ndarray, w: np.ndarray, stride: int, pad: int) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    taps = w.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (taps, taps), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.maximum(np.einsum("bcijpq,ocpq->boij", windows, w), 0)


@CALM
@given(
    c=st.integers(1, 5),
    o=st.integers(1, 20),
    size=st.integers(5, 9),
    taps=st.sampled_from([1, 3]),
    stride=st.sampled_from([1, 2]),
    pad=st.sampled_from([0, 1]),
    target=MACHINES,
    wishes=st.booleans(),
)
def test_convolution(
    c: int, o: int, size: int, taps: int, stride: int, pad: int, target: Target, *, wishes: bool
) -> None:
    x, w = values(2, c, size, size), values(o, c, taps, taps)
    expected = reference(x, w, stride, pad)
    function = convolution(2, c, o, size, taps, stride, pad)
    if not wishes:
        result = ContractionRule().apply(function, RecordedChoices(target))
        if isinstance(result, TensorFunction):
            np.testing.assert_array_equal(run(result, x, w), expected)
        return
    function, arrays = arranged(function, [x, w], target)
    np.testing.assert_array_equal(run(scheduled(function, target), *arrays), expected.transpose(0, 2, 3, 1))


def test_depthwise_convolution_runs_along_channels() -> None:
    builder = Compute("depthwise")
    x = builder.input("X", TensorType(dims((1, 9, 9, 24)), FLOAT32))
    w = builder.input("W", TensorType(dims((3, 3, 24)), FLOAT32))
    function = builder.build(
        builder.reduce("O", (1, 7, 7, 24), (3, 3), lambda b, i, j, c, p, q: x[b, i + p, j + q, c] * w[p, q, c])
    )
    data, weights = values(1, 9, 9, 24), values(3, 3, 24)
    windows = np.lib.stride_tricks.sliding_window_view(data, (3, 3), axis=(1, 2))
    expected = np.einsum("bijcpq,pqc->bijc", windows, weights)
    np.testing.assert_array_equal(run(scheduled(function, WIDE), data, weights), expected)


@pytest.mark.parametrize("size", [5, 19])
def test_attention_scores_pack_the_keys(size: int) -> None:
    n = Var("n")
    builder = Compute("scores")
    q = builder.input("Q", TensorType(dims((2, n, 3, 8)), FLOAT32))
    k = builder.input("K", TensorType(dims((2, n, 3, 8)), FLOAT32))
    function = builder.build(
        builder.reduce("S", (2, 3, n, n), (8,), lambda b, h, i, j, d: q[b, i, h, d] * k[b, j, h, d])
    )
    a, b = values(2, size, 3, 8), values(2, size, 3, 8)
    result = scheduled(function, WIDE)
    assert any(
        name.startswith("K_copy") for name in (item.var.name for item in walk(result.body) if isinstance(item, For))
    )
    np.testing.assert_array_equal(run(result, a, b), np.einsum("bihd,bjhd->bhij", a, b))


@pytest.mark.parametrize("queries", [1, 2, 3])
def test_few_queries_are_left_to_sums_along_memory(queries: int) -> None:
    """Packing the keys for one or two rows would cost more than the product."""
    builder = Compute("scores")
    q = builder.input("Q", TensorType(dims((3, queries, 16)), FLOAT32))
    k = builder.input("K", TensorType(dims((3, N, 16)), FLOAT32))
    made = builder.reduce("S", (3, queries, N), (16,), lambda h, i, j, d: q[h, i, d] * k[h, j, d])
    result = ContractionRule().apply(builder.build(made), RecordedChoices(WIDE))
    assert isinstance(result, Miss) == (queries < 3)


def test_roles_are_swapped_where_rows_are_contiguous() -> None:
    builder = Compute("transposed")
    a = builder.input("A", TensorType(dims((7, 40)), FLOAT32))
    b = builder.input("B", TensorType(dims((7, 9)), FLOAT32))
    function = builder.build(builder.reduce("C", (9, 40), (7,), lambda j, i, k: a[k, i] * b[k, j]))
    x, y = values(7, 40), values(7, 9)
    np.testing.assert_array_equal(run(scheduled(function, WIDE), x, y), y.T @ x)


def test_wishes_pack_weights_and_move_channels_last() -> None:
    wishes = {
        wish.parameter: wish.index_map for wish in ContractionRule().wishes(convolution(1, 8, 64, 9, 3, 1, 1), WIDE)
    }
    assert [part.axis for part in wishes[0].parts] == [0, 2, 3, 1]
    assert [part.axis for part in wishes[2].parts] == [0, 2, 3, 1]
    assert [(part.axis, part.role) for part in wishes[1].parts] == [
        (0, "outer"),
        (2, "whole"),
        (3, "whole"),
        (1, "whole"),
        (0, "inner"),
    ]


def test_wishes_leave_products_of_values_alone() -> None:
    builder = Compute("batched")
    a = builder.input("A", TensorType(dims((2, 5, 6)), FLOAT32))
    b = builder.input("B", TensorType(dims((2, 6, 7)), FLOAT32))
    function = builder.build(builder.reduce("C", (2, 5, 7), (6,), lambda n, i, j, k: a[n, i, k] * b[n, k, j]))
    assert ContractionRule().wishes(function, WIDE) == ()


@pytest.mark.parametrize(
    ("target", "rows", "columns", "expected"),
    [
        (WIDE, None, 768, Tile(6, 4)),
        (WIDE, 3136, 64, Tile(6, 4)),
        (WIDE, 7, 512, Tile(7, 2)),
        (Target("cpu", "", "", frozenset(), 256, 16, Caches(0, 0, 0), 1), None, 768, Tile(4, 3)),
    ],
)
def test_register_tiles(target: Target, rows: int | None, columns: int, expected: Tile) -> None:
    machine = Machine.of(target, FLOAT32)
    tile = best(machine, rows, columns)
    assert legal(tile, machine)
    assert even(tile, rows) == expected


@given(rows=st.integers(1, 300), most=st.integers(1, 8))
@CALM
def test_two_heights_cover_rows_exactly(rows: int, most: int) -> None:
    found = heights(rows, most)
    assert sum(height * count for height, count in found) == rows
    assert sum(count for _, count in found) == -(-rows // most)
    assert max(height for height, _ in found) - min(height for height, _ in found) <= 1


@pytest.mark.parametrize(("rows", "columns", "expected"), [(7, 512, Tile(4, 3)), (9, 64, Tile(5, 2))])
def test_tiles_of_two_heights_waste_no_rows(rows: int, columns: int, expected: Tile) -> None:
    machine = Machine.of(AVX2, FLOAT32)
    assert best(machine, rows, columns, estimate=uneven_efficiency) == expected


def _prefetches(function: TensorFunction) -> int:
    return sum(isinstance(item, Intrin) and item.name == "prefetch" for item in walk(function.body))


@pytest.mark.parametrize("threads", [1, 2, 64])
@pytest.mark.parametrize(("m", "n", "parts"), [(7, 192, 2), (9, 160, 2), (8, 96, 1), (49, 64, 1)])
def test_rows_are_divided_where_one_height_leaves_some_over(m: int, n: int, parts: int, threads: int) -> None:
    target = replace(AVX2, threads=threads)
    a, b, bias = values(m, 6), values(6, n), values(n)
    function, arrays = arranged(dense(m, n, 6), [a, b, bias], target)
    result = scheduled(function, target)
    products = [block for block in walk(result.body) if isinstance(block, Block) and "intrinsic" in block.attrs]
    # With as many threads as there are panels the tiles of rows have to be shared, too.
    assert len(products) == (parts if threads < 64 else 1)
    np.testing.assert_array_equal(run(result, *arrays), np.maximum(a @ b + bias, 0))


def test_the_next_panel_of_weights_is_fetched_while_this_one_is_used() -> None:
    a, b, bias = values(12, 6), values(6, 192), values(192)
    function, arrays = arranged(dense(12, 192, 6), [a, b, bias], AVX2)
    result = scheduled(function, AVX2)
    assert _prefetches(result) == 1
    np.testing.assert_array_equal(run(result, *arrays), np.maximum(a @ b + bias, 0))


@pytest.mark.parametrize(("m", "reason"), [(1, "memory is the limit"), (1000, "it does not weigh")])
def test_weights_that_are_used_once_or_very_often_are_not_fetched_ahead(m: int, reason: str) -> None:
    arrays = [values(m, 6), values(6, 192), values(192)]
    function, _ = arranged(dense(m, 192, 6), arrays, AVX2)
    assert _prefetches(scheduled(function, AVX2)) == 0, reason


def test_a_recorded_tile_is_used() -> None:
    function = dense(12, 64, 4)
    choices = RecordedChoices(WIDE, recorded={"tile": (3, 2)})
    result = ContractionRule().apply(function, choices)
    assert isinstance(result, TensorFunction)
    assert choices.taken["tile"] == (3, 2)
    arrays = [values(12, 4), values(4, 64), values(64)]
    np.testing.assert_array_equal(run(result, *arrays), np.maximum(arrays[0] @ arrays[1] + arrays[2], 0))
