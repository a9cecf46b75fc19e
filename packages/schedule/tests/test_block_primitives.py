"""Primitives that move, inline, cache and decompose blocks keep the meaning of functions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    LOCAL,
    Allocate,
    Buffer,
    Combiner,
    Compute,
    Const,
    TensorFunction,
    TensorType,
    Var,
    dims,
    maximum,
    substitute,
    walk,
)
from tondo_schedule import IndexMap, Schedule

CALM = settings(derandomize=True, deadline=None, max_examples=25)


def dense(m: int, n: int, k: int) -> TensorFunction:
    """``O = max(A @ B + bias, 0)``."""
    builder = Compute("dense")
    a = builder.input("A", TensorType(dims((m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((k, n)), FLOAT32))
    bias = builder.input("bias", TensorType(dims((n,)), FLOAT32))
    total = builder.reduce("T", (m, n), (k,), lambda i, j, r: a[i, r] * b[r, j])
    return builder.build(builder.compute("O", (m, n), lambda i, j: maximum(total[i, j] + bias[j], 0.0)))


def chain(extent: int) -> TensorFunction:
    """``C[i] = (A[i] * 2 + 1) reversed``."""
    builder = Compute("chain")
    a = builder.input("A", TensorType(dims((extent,)), FLOAT32))
    t = builder.compute("T", (extent,), lambda i: a[i] * 2.0)
    u = builder.compute("U", (extent,), lambda i: t[i] + 1.0)
    return builder.build(builder.compute("C", (extent,), lambda i: u[extent - 1 - i]))


def reduction(rows: int, size: int, combiner: Combiner) -> TensorFunction:
    """``S[i] = combine(A[i, :])``."""
    builder = Compute("reduction")
    a = builder.input("A", TensorType(dims((rows, size)), FLOAT32))
    return builder.build(builder.reduce("S", (rows,), (size,), lambda i, k: a[i, k], combiner))


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-8, 8, shape).astype(np.float32)


def check_dense(function: TensorFunction, m: int, n: int, k: int) -> None:
    a, b, bias = values(m, k), values(k, n), values(n)
    (result,) = run_tensor_function(function, [a, b, bias])
    np.testing.assert_array_equal(result, np.maximum(a @ b + bias, 0))


def allocated(function: TensorFunction) -> list[Buffer]:
    return [item.buffer for item in walk(function.body) if isinstance(item, Allocate)]


@CALM
@given(
    m=st.integers(1, 11), n=st.integers(1, 11), k=st.integers(1, 5), rows=st.integers(1, 4), columns=st.integers(1, 4)
)
def test_register_tile_with_epilogue(m: int, n: int, k: int, rows: int, columns: int) -> None:
    schedule = Schedule(dense(m, n, k))
    i, j, r = schedule.loops("T")
    i0, i1 = schedule.split(i, rows, "shift" if m >= rows else "predicate")
    j0, j1 = schedule.split(j, columns, "shift" if n >= columns else "predicate")
    schedule.reorder(j0, i0, r, i1, j1)
    schedule.set_scope("T", LOCAL)
    schedule.reverse_compute_at("O", i0)
    schedule.decompose_reduction("T", r)
    check_dense(schedule.function, m, n, k)


def test_reverse_compute_at_needs_the_reduction_inside() -> None:
    schedule = Schedule(dense(4, 4, 4))
    schedule.reorder(Var("T_k0"), Var("T_l0"))
    with pytest.raises(TondoError, match="block 'T' has not finished 'T' at loop 'T_l0'"):
        schedule.reverse_compute_at("O", Var("T_l0"))


def test_decompose_reduction_needs_the_reduction_inside() -> None:
    schedule = Schedule(dense(4, 4, 4))
    schedule.reorder(Var("T_k0"), Var("T_l0"))
    with pytest.raises(TondoError, match="its reduction loop 'T_k0' lies outside 'T_l0'"):
        schedule.decompose_reduction("T", Var("T_l0"))


def test_a_reduction_does_not_start_outside_overlapping_tiles() -> None:
    schedule = Schedule(reduction(4, 2, "sum"))
    outer, _ = schedule.split(schedule.loops("S")[0], 3, "shift")
    with pytest.raises(TondoError, match="decompose_reduction of block 'S': the tiles of loop 'S_l0_0' overlap"):
        schedule.decompose_reduction("S", outer)
    with pytest.raises(TondoError, match="blockize of loop 'S_l0_0': the tiles of loop 'S_l0_0' overlap"):
        schedule.blockize(outer)


@pytest.mark.parametrize("factor", [1, 3, 4])
def test_compute_at_computes_what_is_read(factor: int) -> None:
    schedule = Schedule(chain(10))
    outer, _ = schedule.split(schedule.loops("C")[0], factor)
    schedule.compute_at("U", outer)
    schedule.compute_at("T", outer)
    x = values(10)
    (result,) = run_tensor_function(schedule.function, [x])
    np.testing.assert_array_equal(result, (x * 2 + 1)[::-1])
    assert schedule.blocks == ("T", "U", "C")


def test_compute_at_refuses_results_and_outside_readers() -> None:
    schedule = Schedule(chain(8))
    with pytest.raises(TondoError, match="it is already inside"):
        schedule.compute_at("C", schedule.loops("C")[0])
    with pytest.raises(TondoError, match="block 'U' uses 'T' outside loop 'C_l0'"):
        schedule.compute_at("T", schedule.loops("C")[0])


def test_inlining_both_ways() -> None:
    schedule = Schedule(chain(9))
    schedule.reverse_compute_inline("U")
    assert schedule.blocks == ("T", "C")
    schedule.compute_inline("T")
    assert schedule.blocks == ("C",)
    assert allocated(schedule.function) == []
    x = values(9)
    (result,) = run_tensor_function(schedule.function, [x])
    np.testing.assert_array_equal(result, (x * 2 + 1)[::-1])


def test_inlining_refuses_reductions_and_results() -> None:
    with pytest.raises(TondoError, match="it is a reduction"):
        Schedule(dense(2, 2, 2)).compute_inline("T")
    with pytest.raises(TondoError, match="'C' is a result"):
        Schedule(chain(4)).compute_inline("C")
    with pytest.raises(TondoError, match="its producer 'T' is a reduction"):
        Schedule(dense(2, 2, 2)).reverse_compute_inline("O")
    with pytest.raises(TondoError, match="does not read 'U' element by element"):
        Schedule(chain(4)).reverse_compute_inline("C")


@CALM
@given(width=st.integers(1, 5), n=st.integers(1, 9), k=st.integers(1, 4))
def test_cache_read_in_panels(width: int, n: int, k: int) -> None:
    schedule = Schedule(dense(3, n, k))
    schedule.cache_read("T", "B", IndexMap.blocked([0], 1, width))
    check_dense(schedule.function, 3, n, k)


@CALM
@given(n=st.integers(1, 9), width=st.integers(1, 5))
def test_pad_reads_the_padding_of_panels(n: int, width: int) -> None:
    schedule = Schedule(dense(3, n, 4))
    schedule.cache_read("T", "B", IndexMap.blocked([0], 1, width))
    assert schedule.pad("T", schedule.loops("T")[1], width) == ((), None)
    check_dense(schedule.function, 3, n, 4)


@CALM
@given(
    m=st.integers(1, 7),
    n=st.integers(1, 7),
    k=st.integers(1, 7),
    axes=st.lists(st.integers(0, 2), max_size=3, unique=True),
    multiple=st.integers(1, 5),
)
def test_pad_of_any_axis(m: int, n: int, k: int, axes: list[int], multiple: int) -> None:
    schedule = Schedule(dense(m, n, k))
    for axis in axes:
        loop = schedule.loops("T")[axis]
        schedule.pad("T", loop, multiple)
        extent = schedule.extent(loop)
        assert isinstance(extent, Const)
        assert extent.value % multiple == 0
    check_dense(schedule.function, m, n, k)


@CALM
@given(size=st.integers(1, 9), multiple=st.integers(1, 5), combiner=st.sampled_from(["sum", "max", "min"]))
def test_padded_reductions_are_neutral(size: int, multiple: int, combiner: Combiner) -> None:
    schedule = Schedule(reduction(3, size, combiner))
    schedule.pad("S", schedule.loops("S")[1], multiple)
    (result,) = run_tensor_function(schedule.function, [values(3, size) - 20])
    reference = {"sum": np.sum, "max": np.max, "min": np.min}[combiner](values(3, size) - 20, axis=1)
    np.testing.assert_array_equal(result, reference)


def test_pad_of_a_result_computes_elsewhere() -> None:
    schedule = Schedule(reduction(6, 4, "sum"))
    copies, written = schedule.pad("S", schedule.loops("S")[0], 4)
    assert copies == ("A_pad",)
    assert schedule.blocks == ("A_pad", "S", written)


def test_pad_refuses_what_would_not_be_neutral() -> None:
    schedule = Schedule(reduction(3, 5, "prod"))
    with pytest.raises(TondoError, match="steps added to the reduction over 'S_r0' would not be neutral"):
        schedule.pad("S", schedule.loops("S")[1], 4)
    builder = Compute("scaled")
    a = builder.input("A", TensorType(dims((3, 5)), FLOAT32))
    b = builder.input("B", TensorType(dims((3,)), FLOAT32))
    schedule = Schedule(builder.build(builder.reduce("S", (3,), (5,), lambda i, k: a[i, k] * b[i])))
    with pytest.raises(TondoError, match="would not be neutral"):
        schedule.pad("S", schedule.loops("S")[1], 4)


def convolution(width: int, taps: int) -> TensorFunction:
    """``C[i, o] = sum_k X[i * 2 + k] * W[o, k]``."""
    builder = Compute("convolution")
    x = builder.input("X", TensorType(dims((2 * width + taps,)), FLOAT32))
    w = builder.input("W", TensorType(dims((5, taps)), FLOAT32))
    return builder.build(builder.reduce("C", (width, 5), (taps,), lambda i, o, k: x[i * 2 + k] * w[o, k]))


@CALM
@given(width=st.integers(1, 9), taps=st.integers(1, 5))
def test_reindex_makes_room_for_padding(width: int, taps: int) -> None:
    schedule = Schedule(convolution(width, taps))
    loop = schedule.loops("C")[2]
    if taps % 4:
        with pytest.raises(TondoError, match="'X' has no dimension of its own for the reduction over 'C_r0'"):
            schedule.pad("C", loop, 4)
    assert schedule.reindex("C", "X") == "X_by"
    schedule.pad("C", loop, 4)
    schedule.pad("C", schedule.loops("C")[0], 3)
    x, w = values(2 * width + taps), values(5, taps)
    (result,) = run_tensor_function(schedule.function, [x, w])
    windows = np.lib.stride_tricks.sliding_window_view(x, taps)[: 2 * width : 2]
    np.testing.assert_array_equal(result, windows @ w.T)


def test_reindex_refuses_several_places() -> None:
    builder = Compute("sum")
    x = builder.input("X", TensorType(dims((9,)), FLOAT32))
    schedule = Schedule(builder.build(builder.compute("C", (8,), lambda i: x[i] + x[i + 1])))
    with pytest.raises(TondoError, match="it reads 'X' at 2 places"):
        schedule.reindex("C", "X")
    with pytest.raises(TondoError, match="it does not just read 'C'"):
        schedule.reindex("C", "C")


@CALM
@given(
    rows=st.integers(1, 3),
    size=st.integers(1, 20),
    lanes=st.integers(1, 6),
    combiner=st.sampled_from(["sum", "max", "min", "prod"]),
)
def test_rfactor(rows: int, size: int, lanes: int, combiner: Combiner) -> None:
    schedule = Schedule(reduction(rows, size, combiner))
    _, part = schedule.split(schedule.loops("S")[1], lanes)
    made, combining = schedule.rfactor("S", part)
    assert schedule.loops("S")[-1] == combining
    schedule.decompose_reduction(made, schedule.loops(made)[1])
    x = np.sign(values(rows, size)) if combiner == "prod" else values(rows, size)
    (result,) = run_tensor_function(schedule.function, [x])
    reference = {"sum": np.sum, "max": np.max, "min": np.min, "prod": np.prod}[combiner](x, axis=1)
    np.testing.assert_array_equal(result, reference)


def test_rfactor_needs_a_reduction_loop() -> None:
    schedule = Schedule(reduction(3, 8, "sum"))
    with pytest.raises(TondoError, match="does not reduce over loop 'S_l0'"):
        schedule.rfactor("S", schedule.loops("S")[0])


def test_drop_unit_axes_keeps_a_reduction() -> None:
    builder = Compute("window")
    a = builder.input("A", TensorType(dims((5, 8)), FLOAT32))
    function = builder.build(builder.reduce("C", (5,), (8, 1), lambda i, k, u: a[i + u, k]))
    schedule = Schedule(function)
    schedule.drop_unit_axes("C")
    assert len(schedule.loops("C")) == 2
    schedule.drop_unit_axes("C")
    x = values(5, 8)
    (result,) = run_tensor_function(schedule.function, [x])
    np.testing.assert_array_equal(result, x.sum(axis=1))


def pixels(h: int, w: int, c: int) -> TensorFunction:
    builder = Compute("pixels")
    x = builder.input("X", TensorType(dims((h, w, c)), FLOAT32))
    t = builder.compute("T", (h, w, c), lambda i, j, k: x[i, j, k] * 2.0)
    return builder.build(builder.compute("O", (h, w, c), lambda i, j, k: t[i, j, k] + 1.0))


def test_merge_axes_sees_parameters_through_views() -> None:
    function = pixels(5, 6, 4)
    schedule = Schedule(function)
    merged = schedule.merge_axes(("T", Var("T_0"), Var("T_1")), ("O", Var("O_0"), Var("O_1")))
    assert len(merged) == 2
    assert len(schedule.loops("O")) == 2
    assert schedule.function.params == function.params
    x = values(5, 6, 4)
    (result,) = run_tensor_function(schedule.function, [x])
    np.testing.assert_array_equal(result, x * 2 + 1)


def test_merge_axes_of_parameters_with_strides() -> None:
    """Rows that lie further apart than they are long: the first two axes still lie in memory like one."""
    before = pixels(2, 3, 4)
    steps = {buffer: replace(buffer, strides=(Const(30), Const(10), Const(1))) for buffer in before.buffers}
    apart = replace(before, params=tuple(steps.values()), body=substitute(before.body, None, steps))
    schedule = Schedule(apart)
    schedule.merge_axes(("T", Var("T_0"), Var("T_1")), ("O", Var("O_0"), Var("O_1")))
    x = values(2, 3, 4)
    np.testing.assert_array_equal(run_tensor_function(schedule.result, [x])[0], x * 2.0 + 1.0)
    rows = {buffer: replace(buffer, strides=(Const(60), Const(10), Const(1))) for buffer in before.buffers}
    apart = replace(before, params=tuple(rows.values()), body=substitute(before.body, None, rows))
    with pytest.raises(TondoError, match="is not the extent of"):
        Schedule(apart).merge_axes(("T", Var("T_0"), Var("T_1")), ("O", Var("O_0"), Var("O_1")))


def test_merge_axes_refuses_what_is_not_adjacent() -> None:
    with pytest.raises(TondoError, match=r"is not indexed by \[.., T_0, T_2, ..\]"):
        Schedule(pixels(2, 3, 4)).merge_axes(("T", Var("T_0"), Var("T_2")))
    with pytest.raises(TondoError, match="it uses 'T', which would change its shape"):
        Schedule(pixels(2, 3, 4)).merge_axes(("O", Var("O_0"), Var("O_1")))


@pytest.mark.parametrize("size", [3, 8, 9])
def test_specialize_makes_two_versions(size: int) -> None:
    n = Var("n")
    builder = Compute("rows")
    a = builder.input("A", TensorType(dims((n,)), FLOAT32))
    t = builder.compute("T", (n,), lambda i: a[i] * 2.0)
    schedule = Schedule(builder.build(builder.compute("O", (n,), lambda i: t[i] + 1.0)))
    others = schedule.specialize(("T", "O"), "T_l0", 4)
    assert set(schedule.blocks) == {"T", "O", *others}
    schedule.split(schedule.loops("T")[0], 4, "shift")
    x = values(size)
    (result,) = run_tensor_function(schedule.function, [x])
    np.testing.assert_array_equal(result, x * 2 + 1)
