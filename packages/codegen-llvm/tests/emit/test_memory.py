"""Loads and stores: strides, vector index forms, predicates, masks of Select, local buffers, views."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np
import pytest

from tondo.ir import (
    BOOL,
    FLOAT32,
    INT32,
    INT64,
    LOCAL,
    UINT8,
    Allocate,
    Binary,
    Broadcast,
    Buffer,
    Compare,
    Const,
    For,
    If,
    Load,
    Ramp,
    Select,
    Store,
    TensorFunction,
    Var,
    View,
    cast,
    const,
    dtype,
    floordiv,
    floormod,
    seq,
)
from tondo_llvm.testing import Loaded, aligned_zeros, run

pytestmark = pytest.mark.llvm

I, J, K, N = Var("i"), Var("j"), Var("k"), Var("n")
ONE = Const(1)


def loop(var, extent, body, kind="serial"):
    return For(var, Const(0), Const(extent) if isinstance(extent, int) else extent, body, kind)


def guarded(size: int, kind: type = np.float32) -> np.ndarray:
    """An array that ends at the last byte of a page followed by one that must not be touched."""
    page = mmap.PAGESIZE
    bytes_ = size * np.dtype(kind).itemsize
    pages = -(-bytes_ // page)
    memory = mmap.mmap(-1, (pages + 1) * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None)
    assert libc.mprotect(ctypes.c_void_p(address + pages * page), ctypes.c_size_t(page), 0) == 0
    GUARDS.append(memory)
    return np.frombuffer(memory, np.uint8, pages * page)[pages * page - bytes_ :].view(kind)


GUARDS: list[object] = []


def test_transpose_of_symbolic_shape() -> None:
    m = Var("m")
    a, b = Buffer("a", (m, N)), Buffer("b", (N, m))
    body = loop(I, m, loop(J, N, Store(b, (J, I), a[I, J])))
    x = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    (got,) = run(TensorFunction("f", (m, N, a, b), body), [x])
    np.testing.assert_array_equal(got, x.T)


def test_own_strides_and_symbolic_strides() -> None:
    s = Var("s")
    a = Buffer("a", (Const(4), Const(6)), strides=(s, Const(2)))
    b = Buffer("b", (Const(4), Const(6)))
    vector = Store(b, (I, Ramp(Const(0), ONE, 6)), Load(a, (I, Ramp(Const(0), ONE, 6))))
    x = np.arange(80, dtype=np.float32).reshape(4, 20)
    (got,) = run(TensorFunction("f", (s, a, b), loop(I, 4, vector)), [x], {"s": 20})
    np.testing.assert_array_equal(got, x[:, 0:12:2])


@pytest.mark.parametrize("step", [-3, -1, 0, 1, 2, 3, 4, 5, 17])
def test_ramps_of_any_step(step: int) -> None:
    lanes, size = 8, 8 * 17 + 8
    a, b = Buffer("a", (Const(size),)), Buffer("b", (Const(lanes),))
    first = -step * (lanes - 1) if step < 0 else 0
    extent = (lanes - 1) * abs(step) + 1
    a = Buffer("a", (Const(extent),))
    x = guarded(extent)
    x[...] = np.arange(extent)
    body = Store(b, (Ramp(Const(0), ONE, lanes),), Load(a, (Ramp(Const(first), Const(step), lanes),)))
    (got,) = run(TensorFunction("f", (a, b), body), [x])
    np.testing.assert_array_equal(got, x[first + step * np.arange(lanes)])


@pytest.mark.parametrize("step", [-2, 2, 5])
def test_scattered_stores(step: int) -> None:
    lanes = 8
    size = (lanes - 1) * abs(step) + 1
    first = size - 1 if step < 0 else 0
    a, b = Buffer("a", (Const(lanes),)), Buffer("b", (Const(size),))
    body = Store(b, (Ramp(Const(first), Const(step), lanes),), Load(a, (Ramp(Const(0), ONE, lanes),)))
    x = np.arange(1, lanes + 1, dtype=np.float32)
    (got,) = run(TensorFunction("f", (a, b), body), [x])
    expected = np.zeros(size, np.float32)
    expected[first + step * np.arange(lanes)] = x
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8", "int16", "int64", "float64", "bfloat16", "bool"])
@pytest.mark.parametrize("index_kind", ["int32", "int64"])
def test_gather_by_loaded_indices(kind: str, index_kind: str) -> None:
    t = dtype(kind)
    rng = np.random.default_rng(2)
    table = rng.integers(0, 2 if kind == "bool" else 100, (9, 5)).astype(t.numpy)
    rows = rng.integers(0, 9, 16).astype(index_kind)
    a, r, b = (
        Buffer("a", (Const(9), Const(5)), t),
        Buffer("r", (Const(16),), dtype(index_kind)),
        Buffer("b", (Const(5), Const(16)), t),
    )
    lanes = Ramp(Const(0), ONE, 16)
    body = loop(J, 5, Store(b, (J, lanes), Load(a, (Load(r, (lanes,)), J))))
    (got,) = run(TensorFunction("f", (a, r, b), body), [table, rows])
    np.testing.assert_array_equal(got.view(np.uint8), np.ascontiguousarray(table[rows].T).view(np.uint8))


@pytest.mark.parametrize("size", [1, 7, 8, 9, 30])
@pytest.mark.parametrize("kind", ["float32", "int8", "bool", "bfloat16", "float64"])
def test_predicated_tail_touches_nothing_beyond(size: int, kind: str) -> None:
    t = dtype(kind)
    a, b = Buffer("a", (N,), t), Buffer("b", (N,), t)
    index = Ramp(I * 8, ONE, 8)
    inside = Compare("lt", index, Broadcast(N, 8))
    body = loop(I, floordiv(N + 7, 8), Store(b, (index,), Load(a, (index,), inside), inside))
    x = guarded(size, t.numpy.type)
    x[...] = np.random.default_rng(3).integers(0, 2, size).astype(t.numpy)
    got = guarded(size, t.numpy.type)
    run(TensorFunction("f", (N, a, b), body), [x, got])
    np.testing.assert_array_equal(got.view(np.uint8), x.view(np.uint8))


def test_predicate_forms() -> None:
    """All comparison directions, both sides, and a general mask."""
    a, b = Buffer("a", (Const(16),)), Buffer("b", (Const(8), Const(16)))
    index = Ramp(Const(0), ONE, 16)
    limit = Broadcast(N, 16)
    general = Compare("eq", Binary("floormod", index, Broadcast(Const(3), 16)), Broadcast(Const(1), 16))
    masks = [
        Compare("lt", index, limit),
        Compare("le", index, limit),
        Compare("gt", index, limit),
        Compare("ge", index, limit),
        Compare("lt", limit, index),
        Compare("lt", Ramp(N, Const(-2), 16), Broadcast(Const(0), 16)),
        general,
        Compare("ne", index, limit),
    ]
    x = np.arange(100, 116, dtype=np.float32)
    body = seq(*(Store(b, (Const(row), index), Load(a, (index,), mask)) for row, mask in enumerate(masks)))
    lane = np.arange(16)
    function = TensorFunction("f", (N, a, b), body)
    with Loaded([function]) as loaded:
        for n in (-(2**40), -3, 0, 5, 15, 16, 100, 2**50):
            (got,) = loaded.run(function, [x], {"n": n})
            expected = [lane < n, lane <= n, lane > n, lane >= n, n < lane, n - 2 * lane < 0, lane % 3 == 1, lane != n]
            np.testing.assert_array_equal(got, np.where(expected, x, 0), err_msg=str(n))


def test_select_does_not_load_the_side_not_taken() -> None:
    size = 10
    a, b, c = Buffer("a", (Const(size),)), Buffer("b", (Const(24),)), Buffer("c", (Const(24),))
    inside = Compare("lt", I, Const(size))
    scalar = loop(I, 24, Store(b, (I,), Select(inside, a[I], const(-1.0))))
    index = Ramp(I * 8, ONE, 8)
    within = Compare("lt", index, Broadcast(Const(size), 8))
    # A scalar load under a vector mask, at a place that only exists while some lane is inside.
    shared = Broadcast(a[I * 8], 8)
    inner = Select(within, Load(a, (index,)) + shared, Broadcast(const(-1.0), 8))
    vector = loop(I, 3, Store(c, (index,), inner))
    x = guarded(size)
    x[...] = np.arange(1, size + 1)
    got_b, got_c = run(TensorFunction("f", (a, b, c), seq(scalar, vector), 2), [x])
    expected = np.full(24, -1, np.float32)
    expected[:size] = x
    np.testing.assert_array_equal(got_b, expected)
    expected[:size] += np.repeat(x[::8], 8)[:size]
    np.testing.assert_array_equal(got_c, expected)


def test_nested_selects_with_loads_on_both_sides() -> None:
    """Padding: rows and columns outside are zero, as a convolution reads them."""
    a, b = Buffer("a", (Const(3), Const(5))), Buffer("b", (Const(5), Const(7)))
    row = Binary("and", Compare("ge", I, Const(1)), Compare("lt", I, Const(4)))
    lanes = Ramp(Const(-1), ONE, 7)
    column = Binary("and", Compare("ge", lanes, Broadcast(Const(0), 7)), Compare("lt", lanes, Broadcast(Const(5), 7)))
    zero = Broadcast(const(0.0), 7)
    value = Select(Broadcast(row, 7), Select(column, Load(a, (I - 1, lanes)), zero), zero)
    body = loop(I, 5, Store(b, (I, Ramp(Const(0), ONE, 7)), value))
    x = np.random.default_rng(5).standard_normal((3, 5)).astype(np.float32)
    (got,) = run(TensorFunction("f", (a, b), body), [x])
    np.testing.assert_array_equal(got, np.pad(x, 1))


def test_scalar_predicates_of_loads_and_stores() -> None:
    a, b = Buffer("a", (Const(4),)), Buffer("b", (Const(8),))
    inside = Compare("lt", I, N)
    even = Compare("eq", floormod(I, 2), Const(0))
    body = loop(I, 8, Store(b, (I,), Load(a, (I,), inside) + const(1.0), even))
    x = guarded(4)
    x[...] = [10, 20, 30, 40]
    (got,) = run(TensorFunction("f", (N, a, b), body), [x], {"n": 4})
    np.testing.assert_array_equal(got, [11, 0, 31, 0, 1, 0, 1, 0])


def test_bool_and_byte_vectors() -> None:
    a, b, c = Buffer("a", (Const(16),), UINT8), Buffer("b", (Const(16),), BOOL), Buffer("c", (Const(16),), BOOL)
    lanes = Ramp(Const(0), ONE, 16)
    mask = Compare("gt", Load(a, (lanes,)), Broadcast(const(7, UINT8), 16))
    body = seq(
        Store(b, (lanes,), mask), Store(c, (lanes,), Binary("xor", Load(b, (lanes,)), Broadcast(const(True), 16)))
    )
    x = np.arange(16, dtype=np.uint8)
    got_b, got_c = run(TensorFunction("f", (a, b, c), body, 2), [x])
    np.testing.assert_array_equal(got_b, x > 7)
    np.testing.assert_array_equal(got_c, x <= 7)


def test_local_buffers_and_shadowed_lets() -> None:
    """A running maximum and sum in a local buffer, indexed by a loop."""
    a, b = Buffer("a", (Const(6), Const(10))), Buffer("b", (Const(6), Const(2)))
    acc = Buffer("acc", (Const(2),), FLOAT32, LOCAL)
    step = seq(
        Store(acc, (Const(0),), acc[0] + a[I, J]),
        Store(acc, (Const(1),), Binary("max", acc[1], a[I, J])),
    )
    body = loop(
        I,
        6,
        Allocate(
            acc,
            seq(
                Store(acc, (Const(0),), const(0.0)),
                Store(acc, (Const(1),), const(float("-inf"))),
                loop(J, 10, step),
                loop(K, 2, Store(b, (I, K), acc[K])),
            ),
        ),
    )
    x = np.random.default_rng(6).integers(-9, 9, (6, 10)).astype(np.float32)
    (got,) = run(TensorFunction("f", (a, b), body), [x])
    np.testing.assert_array_equal(got, np.stack([x.sum(1), x.max(1)], 1))


def test_views_of_one_arena() -> None:
    arena = Buffer("arena", (Const(256),), UINT8, align=64)
    a, b = Buffer("a", (N,)), Buffer("b", (N,))
    t, u = Buffer("t", (N,)), Buffer("u", (N,), INT32)
    offset = (N * 4 + 63) // 64 * 64
    inner = seq(
        loop(I, N, Store(t, (I,), a[I] * 2.0)),
        loop(J, N, Store(u, (J,), cast(INT32, t[J]))),
        loop(K, N, Store(b, (K,), cast(FLOAT32, u[K]) + t[K])),
    )
    body = View(t, arena, Const(0), View(u, arena, offset, inner))
    x = np.arange(20, dtype=np.float32) + 0.25
    got = np.zeros(20, np.float32)
    run(TensorFunction("f", (N, a, b, arena), body, 2), [x, got, aligned_zeros((256,), np.dtype(np.uint8))])
    np.testing.assert_array_equal(got, x * 2 + (x * 2).astype(np.int32))


def test_index_arithmetic_with_unknown_signs() -> None:
    a, b = Buffer("a", (Const(40),), INT64), Buffer("b", (Const(40), Const(4)), INT64)
    values = (floordiv(a[I], 8), floormod(a[I], 8), floordiv(a[I], N), floormod(a[I], N))
    body = loop(I, 40, seq(*(Store(b, (I, Const(c)), value) for c, value in enumerate(values))))
    x = np.arange(-20, 20)
    function = TensorFunction("f", (N, a, b), body)
    with Loaded([function]) as loaded:
        for n in (3, -3, 8, 1, -1):
            (got,) = loaded.run(function, [x], {"n": n})
            np.testing.assert_array_equal(got, np.stack([x // 8, x % 8, x // n, x % n], 1))
        (got,) = loaded.run(function, [x], {"n": 0})
        np.testing.assert_array_equal(got[:, 2:], 0)


def test_conditional_stores_in_an_unrolled_nest() -> None:
    """Constant conditions of unrolled loops disappear, offsets become constants."""
    a, b = Buffer("a", (Const(4), Const(4))), Buffer("b", (Const(4), Const(4)))
    body = loop(
        I,
        4,
        loop(J, 4, If(Compare("le", J, I), Store(b, (I, J), a[I, J]), Store(b, (I, J), const(9.0))), "unrolled"),
        "unrolled",
    )
    x = np.random.default_rng(8).standard_normal((4, 4)).astype(np.float32)
    function = TensorFunction("f", (a, b), body)
    with Loaded([function]) as loaded:
        (got,) = loaded.run(function, [x])
        assert "br i1" not in loaded.ir["f"]
    np.testing.assert_array_equal(got, np.where(np.tri(4, dtype=bool), x, 9))
