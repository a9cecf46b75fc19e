"""Statements at every stage, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import tondo_runtime.registry as registry
from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import (
    BOOL,
    FLOAT32,
    INT64,
    UINT8,
    Allocate,
    Assert,
    Binary,
    Block,
    Broadcast,
    Buffer,
    Compare,
    Const,
    Evaluate,
    For,
    If,
    Invoke,
    IRModule,
    IterVar,
    Let,
    Load,
    Ramp,
    Reserve,
    Store,
    TensorFunction,
    Var,
    View,
    While,
    const,
    dims,
    intrin,
    point,
    seq,
)

I, J, K, N = (Var(name) for name in "ijkn")
X, Y = Buffer("x", dims((N,))), Buffer("y", dims((N,)))


def run(body, *inputs, params=(N, X, Y), scalars=None, module=None):
    return run_tensor_function(TensorFunction("f", params, body), inputs, None, scalars, module=module)[0]


@pytest.fixture
def data() -> np.ndarray:
    return np.arange(1, 11, dtype=np.float32)


@pytest.mark.parametrize("kind", ["serial", "parallel", "vectorized", "unrolled", "bind:x"])
def test_loops_of_every_kind(data, kind):
    np.testing.assert_array_equal(run(For(I, Const(0), N, Store(Y, (I,), X[I] * 2.0), kind), data), data * 2)


def test_loop_that_does_not_begin_at_zero(data):
    result = run(
        seq(For(I, Const(0), N, Store(Y, (I,), const(0.0))), For(J, Const(3), N - 5, Store(Y, (J,), X[J]))), data
    )
    expected = np.zeros(10, np.float32)
    expected[3:8] = data[3:8]
    np.testing.assert_array_equal(result, expected)


def test_serial_dependence_is_kept(data):
    body = seq(Store(Y, (Const(0),), X[0]), For(I, Const(1), N - 1, Store(Y, (I,), Load(Y, (I - 1,)) + X[I])))
    np.testing.assert_array_equal(run(body, data), np.cumsum(data))


def test_reversal_in_place_reads_what_was_written(data):
    params = (N, Y)
    memory = data.copy()
    body = For(I, Const(0), N, Store(Y, (I,), Load(Y, (N - 1 - I,))))
    run_tensor_function(TensorFunction("f", params, body), [], [memory])
    expected = data.copy()
    for i in range(10):
        expected[i] = expected[9 - i]
    np.testing.assert_array_equal(memory, expected)


def test_aliased_arguments_run_in_order(data):
    memory = np.concatenate([data, np.zeros(1, np.float32)])
    body = For(I, Const(0), N, Store(Y, (I,), X[I] + 1.0))
    run_tensor_function(TensorFunction("f", (N, X, Y), body), [memory[:-1]], [memory[1:]])
    np.testing.assert_array_equal(memory, np.arange(1, 12))


def test_histogram(data):
    index = Buffer("index", dims((N,)), INT64)
    counts = Buffer("counts", dims((4,)))
    zero = For(J, Const(0), Const(4), Store(counts, (J,), const(0.0)))
    place = Load(index, (I,))
    body = seq(zero, For(I, Const(0), N, Store(counts, (place,), Load(counts, (place,)) + 1.0)))
    values = np.array([0, 1, 1, 3, 3, 3, 0, 2, 3, 3])
    np.testing.assert_array_equal(run(body, values, params=(N, index, counts)), np.bincount(values))


def test_if_let_while(data):
    total = Buffer("total", dims((1,)), FLOAT32, "local")
    step = Buffer("step", dims((1,)), INT64, "local")
    at = Var("at")
    loop = While(
        Load(step, (Const(0),)) < N,
        Let(
            at, Load(step, (Const(0),)),
            seq(
                If(
                    (at % 2).eq(0),
                    Store(total, (Const(0),), total[0] + X[at]),
                    Store(total, (Const(0),), total[0] - X[at]),
                ),
                Store(Y, (at,), total[0]),
                Store(step, (Const(0),), at + 1),
            ),
        ),
    )  # fmt: skip
    start = seq(Store(total, (Const(0),), const(0.0)), Store(step, (Const(0),), Const(0)))
    signs = np.where(np.arange(10) % 2 == 0, 1, -1)
    np.testing.assert_array_equal(run(Allocate(total, Allocate(step, seq(start, loop))), data), np.cumsum(data * signs))


def test_uninitialised_memory_is_poisoned(data):
    scratch = Buffer("scratch", dims((N,)))
    body = Allocate(scratch, For(I, Const(0), N, Store(Y, (I,), Load(scratch, (I,)))))
    assert np.isnan(run(body, data)).all()
    assert np.isnan(run(Evaluate(Const(0)), data)).all()
    whole = Buffer("whole", dims((N,)), INT64)
    assert (run_tensor_function(TensorFunction("f", (N, X, whole), Evaluate(Const(0))), [data])[0] < -(2**60)).all()


def test_out_of_bounds_names_function_buffer_and_index(data):
    for body in (
        For(I, Const(0), N, Store(Y, (I,), Load(X, (I + 1,)))),
        For(I, Const(0), N, Store(Y, (I + 1,), X[I])),
        Store(Y, (N,), const(0.0)),
    ):
        with pytest.raises(TondoError, match=r"f: (load of x|store to y)\[10\] is outside of its shape \(10\)"):
            run(body, data)


def test_vector_statements(data):
    lanes = Ramp(I * 4, Const(1), 4)
    inside = Compare("lt", lanes, Broadcast(N, 4))
    value = Binary("mul", Load(X, (lanes,), inside), Broadcast(const(3.0), 4))
    body = For(I, Const(0), Const(3), Store(Y, (lanes,), value, inside))
    np.testing.assert_array_equal(run(body, data), data * 3)
    strided = Store(Y, (Ramp(Const(0), Const(2), 5),), Load(X, (Ramp(Const(9), Const(-1), 5),)))
    np.testing.assert_array_equal(run(strided, data)[::2], data[:4:-1])


def test_vector_value_of_a_masked_store_is_computed_on_all_lanes(data):
    lanes = Ramp(Const(8), Const(1), 4)
    body = Store(Y, (lanes,), Load(X, (lanes,)), Compare("lt", lanes, Broadcast(N, 4)))
    with pytest.raises(TondoError, match="load of x"):
        run(body, data)


def test_view_reinterprets_bytes(data):
    arena = Buffer("arena", dims((64,)), UINT8)
    a, b = Buffer("a", dims((2, 3))), Buffer("b", dims((2, 3)), strides=dims((1, 2)))
    fill = For(I, Const(0), Const(2), For(J, Const(0), Const(3), Store(a, (I, J), X[I * 3 + J])))
    copy = For(
        Var("p"),
        Const(0),
        Const(2),
        For(Var("q"), Const(0), Const(3), Store(Y, (Var("p") * 3 + Var("q"),), b[Var("p"), Var("q")])),
    )
    result = run(Allocate(arena, View(a, arena, Const(16), View(b, arena, Const(16), seq(fill, copy)))), data)
    np.testing.assert_array_equal(result[:6], data[:6].reshape(3, 2).T.reshape(-1))
    with pytest.raises(TondoError, match="outside of 'arena'"):
        run(Allocate(arena, View(a, arena, Const(48), fill)), data)


def test_slots_keep_what_they_hold(data):
    small, large = Buffer("a", dims((4,)), FLOAT32), Buffer("b", dims((N,)), FLOAT32)
    fill = Reserve(small, Const(1), For(I, Const(0), Const(4), Store(small, (I,), X[I] + 1.0)))
    copy = Reserve(large, Const(1), For(J, Const(0), N, Store(Y, (J,), large[J])))
    result = run(seq(fill, copy), data)
    np.testing.assert_array_equal(result[:4], data[:4] + 1)
    assert not np.isclose(result[4:], data[4:] + 1).any(), "what was not written before is not defined"


def test_a_reduction_over_nothing_only_starts(data):
    i = IterVar(Var("vi"), N, I)
    k = IterVar(Var("vk"), Var("m"), K, "reduction")
    update = Store(Y, (i.var,), Y[i.var] + X[i.var])
    block = Block("sum", (i, k), (point(X, (i.var,)),), (point(Y, (i.var,)),), update, Store(Y, (i.var,), const(7.0)))
    nest = For(I, Const(0), N, For(K, Const(0), Var("m"), block))
    params = (Var("m"), N, X, Y)
    np.testing.assert_array_equal(run(nest, data, params=params, scalars={"m": 0}), np.full(10, 7.0))
    np.testing.assert_array_equal(run(nest, data, params=params, scalars={"m": 2}), 7 + 2 * data)


def test_invoke_and_packed(data):
    p, q = Buffer("p", dims((N,))), Buffer("q", dims((N,)))
    scale = Var("scale", INT64)
    double = TensorFunction("double", (N, p, q), For(K, Const(0), N, Store(q, (K,), p[K] * 2.0)))
    seen = []
    registry.register("test.interp.add", lambda a, out, k: (seen.append(k), np.copyto(out, a + k)))
    try:
        mid = Buffer("mid", dims((N,)))
        body = Allocate(
            mid, seq(Invoke("double", (N, X, mid)), Invoke("test.interp.add", (mid, Y, scale), packed=True))
        )
        result = run(body, data, params=(N, scale, X, Y), scalars={"scale": 3}, module=IRModule.of(double))
    finally:
        registry.remove("test.interp.add")
    np.testing.assert_array_equal(result, data * 2 + 3)
    assert seen == [3]
    with pytest.raises(TondoError, match="no tensor function 'double'"):
        run(Invoke("double", (N, X, Y)), data)


def test_assert_and_prefetch(data):
    ok = seq(Evaluate(intrin("prefetch", X[N + 100], dtype=INT64)), For(I, Const(0), N, Store(Y, (I,), X[I])))
    np.testing.assert_array_equal(run(seq(Assert(N > 0, "no rows"), ok), data), data)
    with pytest.raises(TondoError, match="f: too few rows"):
        run(Assert(N > 10, "too few rows"), data)


def test_arguments_are_checked(data):
    body = For(I, Const(0), N, Store(Y, (I,), X[I]))
    function = TensorFunction("f", (N, X, Y), body)
    for arguments, code in (
        (([data.astype(np.float64)],), "TND-U003"),
        (([data.reshape(2, 5)],), "TND-U002"),
        (([data], [np.empty(4, np.float32)]), "TND-U002"),
        (([],), "TND-U004"),
        (([data], [data, data]), "TND-U004"),
        (([data], None, {"n": 4}), "TND-U002"),
    ):
        with pytest.raises(TondoError) as caught:
            run_tensor_function(function, *arguments)
        assert caught.value.code == code
    with pytest.raises(TondoError) as caught:
        run(body, data, params=(N, Var("m"), X, Y))
    assert caught.value.code == "TND-U004"


def test_bool_and_scalar_buffers():
    flag, out = Buffer("flag", (), BOOL), Buffer("out", (), FLOAT32)
    body = If(Load(flag, ()), Store(out, (), const(1.0)), Store(out, (), const(2.0)))
    function = TensorFunction("f", (flag, out), body)
    assert run_tensor_function(function, [np.array(True)])[0] == 1
    assert run_tensor_function(function, [np.array(False)])[0] == 2
