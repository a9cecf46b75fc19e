"""Loops, branches, bindings, asserts."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import (
    FLOAT32,
    INT32,
    INT64,
    LOCAL,
    Allocate,
    Assert,
    Attrs,
    Binary,
    Buffer,
    Compare,
    Const,
    Evaluate,
    For,
    If,
    Let,
    Seq,
    Store,
    TensorFunction,
    Var,
    While,
    cast,
    const,
    floordiv,
    intrin,
    seq,
)
from tondo_llvm.testing import Loaded, run

pytestmark = pytest.mark.llvm

I, J, N, M = Var("i"), Var("j"), Var("n"), Var("m")


@pytest.mark.parametrize("kind", ["serial", "parallel"])
def test_loops_with_any_bounds(kind: str) -> None:
    b = Buffer("b", (Const(20),), INT64)
    body = For(I, M, N, Store(b, (I + 10,), I * I), kind)
    function = TensorFunction("f", (N, M, b), body)
    with Loaded([function]) as loaded:
        for n, m in ((5, 0), (0, 3), (-4, 3), (1, 2), (10, -10), (3, -7)):
            (got,) = loaded.run(function, [], {"n": n, "m": m})
            expected = np.zeros(20, np.int64)
            for i in range(m, m + n):
                expected[i + 10] = i * i
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("extent", "kind"),
    [(0, "serial"), (1, "serial"), (4, "serial"), (0, "unrolled"), (3, "unrolled"), (0, "parallel"), (1, "parallel")],
)
def test_loops_of_constant_extent(extent: int, kind: str) -> None:
    b = Buffer("b", (Const(8),), INT64)
    body = For(I, N, Const(extent), Store(b, (I,), I + 1), kind)
    (got,) = run(TensorFunction("f", (N, b), body), [], {"n": 2})
    expected = np.zeros(8, np.int64)
    expected[2 : 2 + extent] = np.arange(3, 3 + extent)
    np.testing.assert_array_equal(got, expected)


def test_triangular_nest_and_small_loop_variable() -> None:
    b = Buffer("b", (Const(6), Const(6)), INT32)
    j = Var("j", INT32)
    value = Binary("mul", cast(INT32, I), j)
    body = For(I, Const(0), Const(6), For(j, Const(0), I + 1, Store(b, (I, j), value)))
    (got,) = run(TensorFunction("f", (b,), body), [])
    np.testing.assert_array_equal(got, np.tril(np.outer(np.arange(6), np.arange(6))))


def test_if_let_and_nested_else() -> None:
    a, b = Buffer("a", (Const(9),), INT64), Buffer("b", (Const(9),), INT64)
    x = Var("x")
    body = For(
        I,
        Const(0),
        Const(9),
        Let(
            x,
            a[I] * 3,
            If(
                Compare("lt", x, Const(0)),
                Store(b, (I,), -x),
                If(
                    Compare("eq", x, Const(0)),
                    Store(b, (I,), Const(100)),
                    Seq((Store(b, (I,), x), Store(b, (I,), b[I] + 1))),
                ),
            ),
        ),
    )
    data = np.arange(-4, 5)
    (got,) = run(TensorFunction("f", (a, b), body), [data])
    np.testing.assert_array_equal(got, np.select([data < 0, data == 0], [-3 * data, 100], 3 * data + 1))


def test_while_counts_digits() -> None:
    a, b = Buffer("a", (Const(5),), INT64), Buffer("b", (Const(5),), INT64)
    rest = Buffer("rest", (Const(1),), INT64, LOCAL)
    step = seq(Store(rest, (Const(0),), floordiv(rest[0], 10)), Store(b, (I,), b[I] + 1))
    body = For(
        I,
        Const(0),
        Const(5),
        Allocate(
            rest,
            seq(
                Store(rest, (Const(0),), a[I]),
                Store(b, (I,), Const(0)),
                While(Compare("gt", rest[0], Const(0)), step),
            ),
        ),
    )
    (got,) = run(TensorFunction("f", (a, b), body), [np.array([0, 7, 10, 12345, 999])])
    np.testing.assert_array_equal(got, [0, 1, 2, 5, 3])


@pytest.mark.parametrize("kind", ["serial", "parallel"])
def test_failed_asserts_stop_the_call(kind: str) -> None:
    b = Buffer("b", (Const(8),), INT64)
    body = For(
        I, Const(0), Const(8), seq(Assert(Compare("lt", I, N), 'index "i" too large\n'), Store(b, (I,), I)), kind
    )
    function = TensorFunction("f", (N, b), body)
    with Loaded([function]) as loaded:
        loaded.run(function, [], {"n": 8})
        out = np.full(8, -1)
        with pytest.raises(TondoError, match='index "i" too large') as caught:
            loaded.run(function, [out], {"n": 3}, threads=1)
        assert caught.value.code == "TND-R003"
        np.testing.assert_array_equal(out[:4], [0, 1, 2, -1])


def test_prefetch_and_scalar_types() -> None:
    scale, shift = Var("scale", FLOAT32), Var("shift", INT32)
    a, b = Buffer("a", (Const(8),)), Buffer("b", (Const(8),))
    value = a[I] * scale + cast(FLOAT32, shift)
    body = For(I, Const(0), Const(8), seq(Evaluate(intrin("prefetch", a[I + 4])), Store(b, (I,), value)))
    x = np.arange(8, dtype=np.float32)
    (got,) = run(TensorFunction("f", (scale, shift, a, b), body), [x], {"scale": 0.5, "shift": -3})
    np.testing.assert_array_equal(got, x * 0.5 - 3)


def test_let_of_an_index_keeps_constant_offsets() -> None:
    a, b = Buffer("a", (Const(64),)), Buffer("b", (Const(64),))
    base = Var("base")
    body = For(
        I,
        Const(0),
        Const(8),
        Let(base, I * 8, For(J, Const(0), Const(8), Store(b, (base + J,), a[base + J] + const(1.0)), "unrolled")),
    )
    function = TensorFunction("f", (a, b), body, 1, Attrs())
    with Loaded([function]) as loaded:
        assert loaded.ir["f"].count("mul nsw") == 1
        x = np.arange(64, dtype=np.float32)
        (got,) = loaded.run(function, [x])
    np.testing.assert_array_equal(got, x + 1)
