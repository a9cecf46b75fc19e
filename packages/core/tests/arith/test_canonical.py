"""The forms that the rest of the compiler relies on."""

from __future__ import annotations

import pytest

from tondo.arith import Affine, Analyzer, Interval, affine
from tondo.ir import (
    BOOL,
    FLOAT32,
    INT32,
    INT64,
    Binary,
    Broadcast,
    Buffer,
    Compare,
    Const,
    Load,
    Ramp,
    Var,
    cast,
    const,
    dims,
    maximum,
    minimum,
    select,
)

I, J, K, N, M = (Var(name) for name in "ijknm")
TRUE, FALSE = Const(True, BOOL), Const(False, BOOL)


@pytest.fixture
def an() -> Analyzer:
    sizes = Analyzer({N: Interval(1, None), M: Interval(1, None)})
    return sizes.with_range(I, 0, N).with_range(J, 0, M).with_range(K, 0, 8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (I + J - I, J),
        (J * 2 + I * 8 + I, I * 9 + J * 2),
        ((I * 8 + K) // 8, I),
        ((I * 8 + K) % 8, K),
        ((I * 64 + K * 8 + 3) // 16, I * 4 + K // 2),
        ((I * 16 + K * 2) % 4, K % 2 * 2),
        ((I // 4) // 8, I // 32),
        ((I % 32) // 8, (I // 8) % 4),
        ((I % 32) % 8, I % 8),
        ((I * 6) // 4, (I * 3) // 2),
        ((I // 8) * 8 + I % 8, I),
        (((I * 6 + J) // 4) * 4 + (I * 6 + J) % 4, I * 6 + J),
        (I - (I // 8) * 8, I % 8),
        ((N * 4) // 4, N),
        ((N * M) // M, N),
        ((I * M + J) // M, I),
        ((I * M + J) % M, J),
        ((N * M + M) // (M * 2), (N + 1) // 2),
        ((I * (N + 1) + I) // (N + 1), I),
        (minimum(I + 1, N), I + 1),
        (maximum(I, 0), I),
        (minimum(K + N, N + 8), K + N),
        (select(I >= 0, I, 0), I),
        (I < N, TRUE),
        (I * M + J < N * M, TRUE),
        ((N + 7) // 8 * 8 >= N, TRUE),
        (I.eq(N), FALSE),
        ((I * 8 + K).eq(I * 8 + 9), FALSE),
        (K >= 8, FALSE),
        (I * 8 < N * 8 - 3, TRUE),
        (I * 8 + 8 <= J * 8 + 5, I < J),
        (~(I < J), J < I + 1),
        ((I < 3) & (I < 3), I < 3),
        ((I < J) | (K < 8), TRUE),
    ],
)
def test_simplify(an, before, after):
    assert an.simplify(before) == an.simplify(after)
    if after in {TRUE, FALSE}:
        assert an.simplify(before) == after


def test_canonical_text(an):
    assert an.simplify(K + I * 8 + J * 4 - 1) == I * 8 + J * 4 + K - 1
    assert an.simplify(J - I) == J - I
    assert an.simplify(I + 3 > J) == Compare("lt", J, I + 3)


def test_residues():
    an = Analyzer({N: (1, 1000), K: (0, 8)}).assume((N % 8).eq(0))
    assert an.divides(8, N)
    assert an.divides(4, N * M)
    assert not an.divides(8, N + 4)
    assert not an.divides(16, N)
    assert an.simplify((N // 8) * 8) == N
    assert an.simplify((N + K) // 8) == N // 8
    assert an.simplify((N * 3 + K) % 8) == K


def test_assume_conjunction_and_opaque():
    flag = Load(Buffer("flags", dims((4,)), BOOL), (I,))
    an = Analyzer().assume((I >= 2) & (I < 5) & flag)
    assert an.bounds(I) == Interval(2, 4)
    assert an.simplify(flag) == TRUE
    assert Analyzer().assume(~flag).simplify(flag) == FALSE


def test_symbolic_assumption():
    an = Analyzer({N: Interval(1, None)}).assume(I + J < N)
    assert an.prove(I + J + 1 <= N)
    assert an.prove((I + J) * 2 < N * 2)
    assert not an.prove(I < N)


def test_bounds(an):
    assert an.bounds(K * 4 + 3) == Interval(3, 31)
    assert an.bounds(N - I) == Interval(1, None)
    assert an.bounds(K % 3) == Interval(0, 2)
    assert an.bounds(cast(INT64, Load(Buffer("b", dims((4,)), INT32), (I,)))) == Interval(-(2**31), 2**31 - 1)
    assert an.bounds(I // N) == Interval(0, 0)


def test_rebinding_a_variable_forgets():
    an = Analyzer({I: (0, 4)})
    assert an.with_range(I, 0, 16).bounds(I) == Interval(0, 15)


def test_vectors(an):
    eight = Broadcast(Const(8), 8)
    assert an.simplify(Ramp(I * 8, Const(1), 8) // eight) == Broadcast(I, 8)
    assert an.simplify(Ramp(I * 8, Const(1), 8) % eight) == Ramp(Const(0), Const(1), 8)
    assert an.simplify(Ramp(I, Const(1), 8) + Broadcast(J, 8)) == Ramp(I + J, Const(1), 8)


def test_floats_and_narrow_integers_keep_their_arithmetic(an):
    x = Load(Buffer("x", dims((N,)), FLOAT32), (I + 0 * J,))
    assert an.simplify(x * 1.0 + 0.0) == Binary("add", Binary("mul", Load(x.buffer, (I,)), const(1.0)), const(0.0))
    narrow = Var("q", INT32)
    assert an.simplify((narrow * 2) // 2) == Binary("floordiv", Binary("mul", narrow, Const(2, INT32)), Const(2, INT32))
    assert an.affine(narrow) is None


def test_affine_form():
    form = affine(I * 4 + N * J - 2 + J)
    assert form == Affine.of(I, 4) + affine(N * J) + Affine.of(J) + Affine(-2)
    assert (form.constant, form.coefficient(I), form.coefficient(J)) == (-2, 4, 1)
    assert form.without(I) == affine(N * J + J - 2)
    slope, rest = form.split(J)
    assert slope == affine(N + 1)
    assert rest == affine(I * 4 - 2)
    assert affine(form.to_expr()) == form


def test_big_products_stay_products():
    names = [Var(f"v{i}") for i in range(12)]
    total = names[0]
    for name in names[1:6]:
        total = total + name
    other = names[6]
    for name in names[7:]:
        other = other + name
    simple = Analyzer().simplify(total * other * 2)
    assert sum(1 for _ in _nodes(simple)) < 40
    assert Analyzer().simplify(simple) == simple
    assert Analyzer().simplify(total * other - other * total) == Const(0)


def _nodes(expr):
    yield expr
    for child in expr.children():
        yield from _nodes(child)
