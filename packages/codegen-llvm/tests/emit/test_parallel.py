"""Parallel loops: outlining, captures, chunks, nesting, errors from threads."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import (
    FLOAT32,
    FLOAT64,
    INT64,
    LOCAL,
    UINT8,
    Allocate,
    Assert,
    Attrs,
    Binary,
    Broadcast,
    Buffer,
    Compare,
    Const,
    For,
    Let,
    Load,
    Ramp,
    Store,
    TensorFunction,
    Var,
    View,
    cast,
    const,
    floordiv,
    seq,
)
from tondo_llvm.emit import function_symbol
from tondo_llvm.testing import Loaded, aligned_zeros, run
from tondo_runtime.abi import ParallelFor, address_of

pytestmark = pytest.mark.llvm

I, J, K, N = Var("i"), Var("j"), Var("k"), Var("n")


def matmul() -> TensorFunction:
    a, b, c = Buffer("a", (N, Const(24))), Buffer("b", (Const(24), Const(16))), Buffer("c", (N, Const(16)))
    acc = Buffer("acc", (Const(16),), FLOAT32, LOCAL)
    lanes = Ramp(Const(0), Const(1), 16)
    update = Store(acc, (lanes,), Load(acc, (lanes,)) + Broadcast(a[I, K], 16) * Load(b, (K, lanes)))
    body = Allocate(
        acc,
        seq(
            Store(acc, (lanes,), Broadcast(const(0.0), 16)),
            For(K, Const(0), Const(24), update),
            Store(c, (I, lanes), Load(acc, (lanes,))),
        ),
    )
    return TensorFunction("matmul", (N, a, b, c), For(I, Const(0), N, body, "parallel", Attrs(grain=3)))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_rows_of_a_product(threads: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(-4, 4, (100, 24)).astype(np.float32), rng.integers(-4, 4, (24, 16)).astype(np.float32)
    (got,) = run(matmul(), [x, y], threads=threads)
    np.testing.assert_array_equal(got, x @ y)


def test_every_kind_of_value_is_captured() -> None:
    """Scalars of each width, vectors, views, loop variables and locals of the function around."""
    scale, flag = Var("scale", FLOAT64), Var("flag", UINT8)
    vector, outer, limit = Var("vector", FLOAT32.with_lanes(8)), Var("outer"), Var("limit", UINT8)
    a, b = Buffer("a", (Const(8),)), Buffer("b", (Const(3), Const(5), Const(8)))
    arena = Buffer("arena", (Const(64),), UINT8, align=64)
    part, table = Buffer("part", (Const(8),)), Buffer("table", (Const(8),), FLOAT32, LOCAL)
    lanes = Ramp(Const(0), Const(1), 8)
    value = (
        Var("vector", FLOAT32.with_lanes(8))
        + Load(part, (lanes,))
        + Load(table, (lanes,))
        + Broadcast(cast(FLOAT32, scale) + cast(FLOAT32, limit) + cast(FLOAT32, outer * 10 + J), 8)
    )
    inner = For(J, Const(0), Const(5), Store(b, (outer, J, lanes), value), "parallel", Attrs(grain=floordiv(N, 2)))
    body = Allocate(
        table,
        View(
            part,
            arena,
            N * 0 + 32,
            seq(
                Store(table, (lanes,), Load(a, (lanes,)) * Broadcast(const(2.0), 8)),
                Store(part, (lanes,), Load(a, (lanes,)) * Broadcast(const(4.0), 8)),
                Let(vector, Load(a, (lanes,)), Let(limit, flag, For(outer, Const(0), Const(3), inner))),
            ),
        ),
    )
    function = TensorFunction("f", (scale, flag, N, a, b, arena), body, 2)
    x = np.arange(8, dtype=np.float32)
    for threads in (1, 2):
        got, _ = run(
            function,
            [x, np.zeros((3, 5, 8), np.float32), aligned_zeros((64,), np.dtype(np.uint8))],
            {"scale": 0.5, "flag": 200, "n": 6},
            threads=threads,
        )
        rows = np.arange(3)[:, None, None] * 10 + np.arange(5)[None, :, None]
        np.testing.assert_array_equal(got, x * 7 + 200.5 + rows)


def test_nested_parallel_loops_become_serial() -> None:
    b = Buffer("b", (Const(6), Const(7)), INT64)
    inner = For(J, Const(0), Const(7), Store(b, (I, J), I * 7 + J), "parallel")
    function = TensorFunction("f", (b,), For(I, Const(0), Const(6), inner, "parallel"))
    with Loaded([function]) as loaded:
        assert loaded.ir["f"].count("call i32 %parallel_for") == 1
        (got,) = loaded.run(function, [], threads=2)
    np.testing.assert_array_equal(got, np.arange(42).reshape(6, 7))


def test_chunks_follow_grain_and_offset() -> None:
    """The context's function decides who runs what; this one records the request and runs it backwards."""
    b = Buffer("b", (Const(30),), INT64)
    function = TensorFunction("f", (N, b), For(I, Const(5), N, Store(b, (I,), I), "parallel", Attrs(grain=4)))
    requests: list[tuple[int, int, int]] = []

    @ParallelFor
    def backwards(pool: int, body: int, closure: int, count: int, grain: int, threads: int) -> int:
        requests.append((count, grain, threads))
        call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(body)
        starts = range(0, count, grain)
        return max(call(closure, start, min(start + grain, count)) for start in reversed(starts))

    with Loaded([function]) as loaded:
        context = loaded.context(threads=7)
        context.parallel_for = address_of(backwards)
        out = np.zeros(30, np.int64)
        call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(
            loaded.address(function_symbol("f"))
        )
        assert call(ctypes.addressof(context), 21, out.ctypes.data) == 0
    assert requests == [(21, 4, 7)]
    np.testing.assert_array_equal(out, np.where((np.arange(30) >= 5) & (np.arange(30) < 26), np.arange(30), 0))


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    b = Buffer("b", (Const(1000),), INT64)
    check = Assert(Compare("ne", I, Const(777)), "iteration 777 is not allowed")
    function = TensorFunction("f", (b,), For(I, Const(0), Const(1000), seq(check, Store(b, (I,), I)), "parallel"))
    with pytest.raises(TondoError, match="iteration 777"):
        run(function, [], threads=2)


def test_two_loops_in_sequence_see_each_other() -> None:
    a, t, b = Buffer("a", (Const(512),)), Buffer("t", (Const(512),)), Buffer("b", (Const(512),))
    first = For(I, Const(0), Const(512), Store(t, (I,), a[I] * 2.0), "parallel", Attrs(grain=16))
    second = For(J, Const(0), Const(512), Store(b, (J,), t[Binary("sub", Const(511), J)]), "parallel", Attrs(grain=16))
    x = np.random.default_rng(1).standard_normal(512).astype(np.float32)
    function = TensorFunction("f", (a, t, b), seq(first, second), 2)
    with Loaded([function]) as loaded:
        for _ in range(50):
            _, got = loaded.run(function, [x], threads=2)
            np.testing.assert_array_equal(got, (x * 2)[::-1])
