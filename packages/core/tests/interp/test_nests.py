"""Loops as array axes give bit by bit what the plain loops give, and numpy's result."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp import axes, run_tensor_function
from tondo.interp.axes import AxisRunner
from tondo.ir import (
    FLOAT32,
    INT8,
    INT32,
    Allocate,
    Binary,
    Block,
    Broadcast,
    Buffer,
    Compare,
    Compute,
    Const,
    For,
    If,
    IterVar,
    Let,
    Load,
    Ramp,
    Store,
    TensorFunction,
    TensorType,
    Var,
    cast,
    ceildiv,
    const,
    dims,
    dtype,
    identity,
    intrin,
    maximum,
    minimum,
    select,
    seq,
)


def run_both(function, inputs, scalars=None):
    """The outputs, the same with and without axes."""
    fast = run_tensor_function(function, inputs, None, scalars)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AxisRunner, "run", lambda self, frame: False)
        slow = run_tensor_function(function, inputs, None, scalars)
    for a, b in zip(fast, slow, strict=True):
        np.testing.assert_array_equal(a.reshape(-1).view(np.uint8), b.reshape(-1).view(np.uint8))
    return fast


def matmul(m, n, k, kind=FLOAT32, result=FLOAT32):
    b = Compute("matmul")
    x, y = b.input("x", TensorType(dims((m, k)), kind)), b.input("y", TensorType(dims((k, n)), kind))
    c = b.reduce("c", (m, n), (k,), lambda i, j, p: cast(result, x[i, p]) * cast(result, y[p, j]))
    return b.build(b.compute("z", (m, n), lambda i, j: maximum(c[i, j], 0)))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 7, 16, 1 << 20]))
def test_matmul_in_pieces(m, n, k, grid):
    rng = np.random.default_rng(m * 100 + n * 10 + k)
    x, y = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(axes, "GRID", grid)
        (z,) = run_both(matmul(Var("m"), n, k), [x, y])
    np.testing.assert_allclose(z, np.maximum(x @ y, 0), rtol=1e-5, atol=1e-6)


def test_integer_matmul_accumulates_in_int32():
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-128, 128, shape, np.int8) for shape in ((5, 40), (40, 3)))
    (z,) = run_both(matmul(5, 3, 40, INT8, INT32), [x, y])
    np.testing.assert_array_equal(z, np.maximum(x.astype(np.int32) @ y, 0))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_narrow_sums_round_at_each_step(name):
    kind = dtype(name)
    b = Compute("sum")
    x = b.input("x", TensorType(dims((3, 50)), kind))
    function = b.build(b.reduce("s", (3,), (50,), lambda i, k: x[i, k]))
    data = np.random.default_rng(1).standard_normal((3, 50)).astype(kind.numpy)
    (s,) = run_both(function, [data])
    total = np.zeros(3, kind.numpy)
    for step in range(50):
        total = total + data[:, step]
    np.testing.assert_array_equal(s, total)


@pytest.mark.parametrize(
    ("combiner", "function"), [("sum", np.sum), ("prod", np.prod), ("max", np.max), ("min", np.min)]
)
def test_full_reductions(combiner, function):
    b = Compute("reduce")
    x = b.input("x", TensorType(dims((6, 7)), FLOAT32))
    data = np.random.default_rng(2).standard_normal((6, 7), np.float32)
    result = b.reduce("r", (), (6, 7), lambda i, j: x[i, j], combiner)
    np.testing.assert_allclose(run_both(b.build(result), [data])[0], function(data), rtol=1e-5)
    data[3, 3] = np.nan
    run_both(b.build(result), [data])


def test_convolution_with_padding():
    b = Compute("conv")
    x = b.input("x", TensorType(dims((2, 3, 9, 8)), FLOAT32))
    w = b.input("w", TensorType(dims((4, 3, 3, 3)), FLOAT32))

    def padded(n, c, h, v):
        inside = (h >= 1) & (h < 10) & (v >= 1) & (v < 9)
        return select(inside, x[n, c, h - 1, v - 1], const(0.0))

    p = b.compute("pad", (2, 3, 11, 10), padded)
    result = b.reduce(
        "y", (2, 4, 5, 4), (3, 3, 3), lambda n, o, h, v, c, r, s: p[n, c, h * 2 + r, v * 2 + s] * w[o, c, r, s]
    )
    rng = np.random.default_rng(3)
    a, k = rng.standard_normal((2, 3, 9, 8), np.float32), rng.standard_normal((4, 3, 3, 3), np.float32)
    (y,) = run_both(b.build(result), [a, k])
    wide = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    np.testing.assert_allclose(y, np.einsum("nchwrs,ocrs->nohw", windows, k), rtol=1e-4, atol=1e-5)


def tiled(m, n, k, tile, order):
    """A matmul whose loops are split by ``tile`` with predicates and reordered."""
    x, y, c = Buffer("x", dims((m, k))), Buffer("y", dims((k, n))), Buffer("c", dims((m, n)))
    i, j, p = (Var(name) for name in ("vi", "vj", "vp"))
    loops = {name: Var(name) for name in ("io", "ii", "jo", "ji", "po", "pi")}
    bindings = {axis: loops[f"{axis}o"] * tile + loops[f"{axis}i"] for axis in "ijp"}
    extents = {"i": m, "j": n, "p": k}
    iters = (
        IterVar(i, Const(m), bindings["i"]),
        IterVar(j, Const(n), bindings["j"]),
        IterVar(p, Const(k), bindings["p"], "reduction"),
    )
    guard = (bindings["i"] < m) & (bindings["j"] < n) & (bindings["p"] < k)
    update = Store(c, (i, j), c[i, j] + x[i, p] * y[p, j])
    body = Block("c", iters, (), (), update, Store(c, (i, j), identity("sum", FLOAT32)), guard)
    for name in reversed(order):
        extent = ceildiv(Const(extents[name[0]]), tile) if name[1] == "o" else Const(tile)
        body = For(loops[name], Const(0), extent, body)
    return TensorFunction("tiled", (x, y, c), body)


@given(st.permutations(["io", "ii", "jo", "ji", "po", "pi"]), st.sampled_from([2, 3]), st.sampled_from([30, 1 << 20]))
def test_tiled_reordered_and_guarded(order, tile, grid):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((5, 4), np.float32), rng.standard_normal((4, 3), np.float32)
    if order.index("pi") < order.index("po"):
        order = [name for name in order if name != "pi"]
        order.insert(order.index("po") + 1, "pi")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(axes, "GRID", grid)
        (c,) = run_both(tiled(5, 3, 4, tile, order), [x, y])
    np.testing.assert_allclose(c, x @ y, rtol=1e-5, atol=1e-6)


def softmax_rows():
    """One loop over rows around a sequence of loops that share a row."""
    x, y = Buffer("x", dims((Var("m"), 6))), Buffer("y", dims((Var("m"), 6)))
    low, total = Buffer("low", dims((Var("m"),))), Buffer("total", dims((Var("m"),)))
    i, j, k, v = Var("i"), Var("j"), Var("k"), Var("v")
    e = Var("e", FLOAT32)
    body = seq(
        Store(low, (i,), const(float("-inf"))),
        Store(total, (i,), const(0.0)),
        For(j, Const(0), Const(6), Store(low, (i,), maximum(low[i], x[i, j]))),
        For(
            k, Const(0), Const(6),
            Let(e, intrin("exp", x[i, k] - low[i]), seq(Store(y, (i, k), e), Store(total, (i,), total[i] + e))),
        ),
        For(v, Const(0), Const(6), Store(y, (i, v), Load(y, (i, v)) / total[i])),
    )  # fmt: skip
    nest = For(i, Const(0), Var("m"), body, "parallel")
    return TensorFunction("softmax", (Var("m"), x, y), Allocate(low, Allocate(total, nest)))


def test_rows_that_share_nothing_run_together():
    data = np.random.default_rng(5).standard_normal((7, 6), np.float32)
    (y,) = run_both(softmax_rows(), [data])
    e = np.exp(data - data.max(axis=1, keepdims=True))
    np.testing.assert_allclose(y, e / e.sum(axis=1, keepdims=True), rtol=1e-5)


def test_triangular_loops():
    x, y = Buffer("x", dims((8, 8))), Buffer("y", dims((8,)))
    i, j = Var("i"), Var("j")
    body = For(
        i, Const(0), Const(8),
        seq(Store(y, (i,), const(0.0)), For(j, Const(0), i + 1, Store(y, (i,), y[i] + x[i, j]))),
    )  # fmt: skip
    data = np.random.default_rng(6).standard_normal((8, 8), np.float32)
    (result,) = run_both(TensorFunction("tril", (x, y), body), [data])
    np.testing.assert_allclose(result, np.tril(data).sum(axis=1), rtol=1e-4, atol=1e-6)


@given(st.integers(1, 5), st.integers(0, 4), st.integers(1, 4))
def test_overlapping_stores_keep_the_last(a, b, extent):
    """Flat stores that may collide: the order of the loops decides."""
    x, y = Buffer("x", dims((5, 5))), Buffer("y", dims((40,)))
    i, j = Var("i"), Var("j")
    body = For(i, Const(0), Const(5), For(j, Const(0), Const(extent), Store(y, (i * a + j * b,), x[i, j])))
    data = np.arange(25, dtype=np.float32).reshape(5, 5)
    (result,) = run_both(TensorFunction("scatter", (x, y), body), [data])
    expected = np.full(40, np.nan, np.float32)
    for p in range(5):
        for q in range(extent):
            expected[p * a + q * b] = data[p, q]
    np.testing.assert_array_equal(result, expected)


@given(st.sampled_from(["add", "mul", "min", "max", "sub"]), st.booleans(), st.booleans(), st.integers(0, 3))
def test_guarded_updates(op, swapped, guarded, shift):
    x, y = Buffer("x", dims((6, 5))), Buffer("y", dims((6,)))
    i, j = Var("i"), Var("j")
    own, value = y[i], x[i, j]
    update = Store(y, (i,), Binary(op, value, own) if swapped else Binary(op, own, value))
    body = If((i + j) % 4 > shift, update) if guarded else update
    start = For(Var("s"), Const(0), Const(6), Store(y, (Var("s"),), const(1.0)))
    nest = For(j, Const(0), Const(5), For(i, Const(0), Const(6), body))
    run_both(TensorFunction("update", (x, y), seq(start, nest)), [np.random.default_rng(7).random((6, 5), np.float32)])


def vector_matmul(m, n, k, lanes):
    """Columns in vectors, the last one masked."""
    x, y, c = Buffer("x", dims((m * k,))), Buffer("y", dims((k * n,))), Buffer("c", dims((m * n,)))
    i, j, p = Var("i"), Var("j"), Var("p")
    column = Ramp(j * lanes, Const(1), lanes)
    inside = Compare("lt", column, Broadcast(Const(n), lanes))
    place = Ramp(i * n + j * lanes, Const(1), lanes)
    weight = Load(y, (Ramp(p * n + j * lanes, Const(1), lanes),), inside)
    value = Binary("add", Load(c, (place,), inside), Binary("mul", Broadcast(x[i * k + p], lanes), weight))
    zero = Store(c, (place,), Broadcast(const(0.0), lanes), inside)
    update = For(p, Const(0), Const(k), Store(c, (place,), value, inside))
    nest = For(i, Const(0), Const(m), For(j, Const(0), ceildiv(Const(n), lanes), seq(zero, update)))
    return TensorFunction("vectors", (x, y, c), nest)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 5), st.sampled_from([2, 4]))
def test_vector_stores_run_as_loops_over_lanes(m, n, k, lanes):
    rng = np.random.default_rng(9)
    x, y = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    (c,) = run_both(vector_matmul(m, n, k, lanes), [x.reshape(-1), y.reshape(-1)])
    np.testing.assert_allclose(c.reshape(m, n), x @ y, rtol=1e-5, atol=1e-6)


@given(st.integers(0, 5), st.integers(0, 2), st.integers(0, 2))
def test_vector_stores_that_overlap_keep_their_order(step, stride, shift):
    x, y = Buffer("x", dims((40,))), Buffer("y", dims((40,)))
    i = Var("i")
    place = Ramp(i * step, Const(stride), 4)
    value = Binary("add", Load(y, (Ramp(i * step + shift, Const(stride), 4),)), Load(x, (place,)))
    start = For(Var("s"), Const(0), Const(40), Store(y, (Var("s"),), const(0.0)))
    body = seq(start, For(i, Const(0), Const(5), Store(y, (place,), value)))
    data = np.random.default_rng(10).random(40, np.float32)
    (result,) = run_both(TensorFunction("overlap", (x, y), body), [data])
    expected = np.zeros(40, np.float32)
    lanes = np.arange(4) * stride
    for at in range(5):
        expected[at * step + lanes] = expected[at * step + shift + lanes] + data[at * step + lanes]
    np.testing.assert_array_equal(result, expected)


def test_masked_vector_store_still_loads_every_lane():
    x, y = Buffer("x", dims((10,))), Buffer("y", dims((10,)))
    i = Var("i")
    lanes = Ramp(i * 4, Const(1), 4)
    store = Store(y, (lanes,), Load(x, (lanes,)), Compare("lt", lanes, Broadcast(Const(10), 4)))
    with pytest.raises(TondoError, match=r"load of x"):
        run_tensor_function(TensorFunction("f", (x, y), For(i, Const(0), Const(3), store)), [np.zeros(10, np.float32)])


def test_clamped_gather_and_accumulate():
    table, index, out = Buffer("t", dims((9, 4))), Buffer("i", dims((6,)), dtype("int64")), Buffer("o", dims((6, 4)))
    i, j = Var("i"), Var("j")
    row = minimum(maximum(Load(index, (i,)), 0), 8)
    body = For(i, Const(0), Const(6), For(j, Const(0), Const(4), Store(out, (i, j), table[row, j])))
    data, rows = np.random.default_rng(8).random((9, 4), np.float32), np.array([-4, 0, 3, 8, 20, 1])
    (result,) = run_both(TensorFunction("gather", (table, index, out), body), [data, rows])
    np.testing.assert_array_equal(result, data[np.clip(rows, 0, 8)])


def test_speed_of_a_matmul():
    """Prints the time; loops run one by one would take hundreds of times longer."""
    data = np.ones((64, 64), np.float32)
    run_tensor_function(matmul(64, 64, 64), [data, data])
    begin = time.perf_counter()
    (z,) = run_tensor_function(matmul(64, 64, 64), [data, data])
    print(f"64x64x64 matmul: {1e3 * (time.perf_counter() - begin):.1f} ms")
    assert (z == 64).all()
