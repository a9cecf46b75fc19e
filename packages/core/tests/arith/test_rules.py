"""Every rule of the analyzer against evaluation in plain Python over all small values of random expressions."""

from __future__ import annotations

import itertools
import operator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tondo.arith import Analyzer, Interval
from tondo.ir import Binary, Broadcast, Compare, Const, Expr, Ramp, Select, Unary, Var

X, Y, Z, N = Var("x"), Var("y"), Var("z"), Var("n")
RANGES = {X: (-3, 5), Y: (0, 4), Z: (0, 3), N: (1, 4)}
VALUES = [
    dict(zip(RANGES, point, strict=True))
    for point in itertools.product(*(range(low, high + 1) for low, high in RANGES.values()))
][::7]
BOXES = Analyzer({var: Interval(*limits) for var, limits in RANGES.items()})
# A triangular domain with symbolic bounds: 0 <= x < n, 0 <= y < 2n, 0 <= z <= x.
TRIANGLE = Analyzer({N: (1, 4)}).with_range(X, 0, N).with_range(Y, 0, N * 2).with_range(Z, 0, X + 1)
TRIANGLE_VALUES = [
    {N: n, X: x, Y: y, Z: z} for n in range(1, 5) for x in range(n) for y in range(2 * n) for z in range(x + 1)
]

_BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "min": min,
    "max": max,
    "floordiv": operator.floordiv,
    "floormod": operator.mod,
    "truncdiv": lambda a, b: abs(a) // abs(b) * (1 if (a >= 0) == (b >= 0) else -1),
    "truncmod": lambda a, b: a - b * (abs(a) // abs(b) * (1 if (a >= 0) == (b >= 0) else -1)),
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "shl": operator.lshift,
    "shr": operator.rshift,
}
_COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def evaluate(expr: Expr, env: dict[Var, int]) -> int | bool | tuple:
    """Value of ``expr``; vectors are tuples. Raises ZeroDivisionError where it is undefined."""
    match expr:
        case Var():
            return env[expr]
        case Const():
            return expr.value
        case Ramp():
            base, stride = evaluate(expr.base, env), evaluate(expr.stride, env)
            return tuple(base + i * stride for i in range(expr.lanes))
        case Broadcast():
            return (evaluate(expr.value, env),) * expr.lanes
        case Binary() | Compare():
            function = (_BINARY if isinstance(expr, Binary) else _COMPARE)[expr.op]
            a, b = evaluate(expr.a, env), evaluate(expr.b, env)
            return tuple(map(function, a, b)) if isinstance(a, tuple) else function(a, b)
        case Unary(op="neg"):
            return -evaluate(expr.a, env)
        case Unary():
            return not evaluate(expr.a, env)
        case Select():
            return evaluate(expr.a if evaluate(expr.condition, env) else expr.b, env)
    raise TypeError(type(expr))


def size(expr: Expr) -> int:
    """Number of nodes."""
    return 1 + sum(size(child) for child in expr.children())


_LEAVES = st.one_of(st.sampled_from(list(RANGES)), st.integers(-9, 17).map(Const))
_POSITIVE = st.one_of(
    st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16]).map(Const), st.just(N), st.just(Binary("mul", N, Const(2)))
)


def _grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def binary(ops: list[str], right: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        return st.builds(Binary, st.sampled_from(ops), inner, right)

    condition = st.builds(Compare, st.sampled_from(sorted(_COMPARE)), inner, inner)
    return st.one_of(
        binary(["add", "sub"], inner),
        binary(["add", "sub", "mul"], inner),
        binary(["mul"], st.sampled_from([2, 3, 4, 8, 16, -1, -2]).map(Const)),
        binary(["floordiv", "floormod"], _POSITIVE),
        binary(["floordiv", "floormod"], _POSITIVE),
        binary(["min", "max"], inner),
        binary(["floordiv", "floormod", "truncdiv", "truncmod"], inner),
        st.builds(Select, condition, inner, inner),
        st.builds(lambda a: Unary("neg", a), inner),
    )


integers = st.recursive(_LEAVES, _grow, max_leaves=10)
comparisons = st.builds(Compare, st.sampled_from(sorted(_COMPARE)), integers, integers)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Binary, st.sampled_from(["and", "or", "xor"]), inner, inner),
        st.builds(lambda a: Unary("not", a), inner),
        st.builds(Select, inner, inner, inner),
    ),
    max_leaves=4,
)


def _check(expr: Expr, analyzer: Analyzer, points: list[dict[Var, int]]) -> None:
    simple = analyzer.simplify(expr)
    limits = analyzer.bounds(expr)
    for env in points:
        try:
            value = evaluate(expr, env)
        except ZeroDivisionError:
            continue
        assert evaluate(simple, env) == value
        assert limits.low is None or limits.low <= value
        assert limits.high is None or value <= limits.high


@given(integers)
def test_integers_in_boxes(expr):
    _check(expr, BOXES, VALUES)


@given(conditions)
def test_conditions_in_boxes(expr):
    _check(expr, BOXES, VALUES)


@given(st.one_of(integers, conditions))
def test_symbolic_bounds(expr):
    _check(expr, TRIANGLE, TRIANGLE_VALUES)


@given(conditions, st.one_of(integers, conditions))
def test_assumptions(condition, expr):
    def holds(env):
        try:
            return bool(evaluate(condition, env))
        except ZeroDivisionError:
            return None

    found = [(env, holds(env)) for env in VALUES]
    assume(all(value is not None for _, value in found))
    points = [env for env, value in found if value]
    assume(points)
    _check(expr, BOXES.assume(condition), points)


@given(st.one_of(integers, conditions))
def test_simplify_is_idempotent_and_small(expr):
    simple = BOXES.simplify(expr)
    assert BOXES.simplify(simple) == simple
    fresh = Analyzer({var: Interval(*limits) for var, limits in RANGES.items()})
    assert fresh.simplify(simple) == simple
    assert fresh.simplify(expr) == simple
    assert size(simple) <= 3 * size(expr) + 8


@given(st.lists(st.sampled_from([N, N + 1, Const(3), Const(4), N * 2]), min_size=1, max_size=4), integers)
def test_digits_in_symbolic_radices_join(radices, expr):
    """The digits of a position in a mixed radix system, each times its weight, are the position."""
    total, weight, quotient = Const(0), Const(1), Y
    for place, radix in enumerate(radices):
        digit = quotient if place == len(radices) - 1 else quotient % radix
        total, weight, quotient = total + digit * weight, weight * radix, quotient // radix
    _check(total + expr, BOXES, VALUES)
    if all(isinstance(radix, (Var, Const)) for radix in radices):
        assert BOXES.simplify(total) == Y


@given(integers, st.integers(2, 12))
def test_divides(expr, divisor):
    if BOXES.divides(divisor, expr):
        for env in VALUES:
            try:
                value = evaluate(expr, env)
            except ZeroDivisionError:
                continue
            assert value % divisor == 0


@given(conditions)
def test_prove(expr):
    if TRIANGLE.prove(expr):
        for env in TRIANGLE_VALUES:
            try:
                assert evaluate(expr, env)
            except ZeroDivisionError:
                continue


_VECTOR_BASES = st.one_of(
    integers, st.builds(lambda a, c: Binary("mul", a, Const(c)), integers, st.sampled_from([4, 8]))
)
_vectors = st.one_of(
    st.builds(lambda base, stride: Ramp(base, Const(stride), 4), _VECTOR_BASES, st.integers(-2, 2)),
    st.builds(lambda value: Broadcast(value, 4), integers),
)
_periods = st.sampled_from([1, 2, 4, 8]).map(lambda c: Broadcast(Const(c), 4))


@given(
    st.one_of(
        st.builds(Binary, st.sampled_from(["add", "sub", "mul"]), _vectors, _vectors),
        st.builds(Binary, st.sampled_from(["floordiv", "floormod"]), _vectors, _periods),
        st.builds(Compare, st.sampled_from(sorted(_COMPARE)), _vectors, _vectors),
    )
)
def test_vectors(expr):
    simple = BOXES.simplify(expr)
    for env in VALUES[::3]:
        try:
            value = evaluate(expr, env)
        except ZeroDivisionError:
            continue
        assert evaluate(simple, env) == value


@pytest.mark.parametrize("analyzer", [BOXES, TRIANGLE], ids=["boxes", "triangle"])
def test_analyzers_do_not_change(analyzer):
    before = analyzer.simplify(X < 2)
    assert analyzer.assume(X < 2).prove(X < 2)
    assert analyzer.with_range(X, 0, 2).prove(X < 2)
    assert analyzer.simplify(X < 2) == before
