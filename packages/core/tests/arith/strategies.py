"""Random integer and boolean expressions over a few small variables, and their evaluation in plain Python."""

from __future__ import annotations

import itertools
import operator

from hypothesis import strategies as st

from tondo.ir import Binary, Broadcast, Compare, Const, Expr, Ramp, Select, Unary, Var

X, Y, Z, N = Var("x"), Var("y"), Var("z"), Var("n")
RANGES = {X: (-3, 5), Y: (0, 4), Z: (0, 3), N: (1, 4)}
VALUES = [dict(zip(RANGES, point, strict=True)) for point in itertools.product(*(range(a, b + 1) for a, b in RANGES.values()))]

_BINARY = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "min": min, "max": max,
    "floordiv": operator.floordiv, "floormod": operator.mod,
    "truncdiv": lambda a, b: abs(a) // abs(b) * (1 if (a >= 0) == (b >= 0) else -1),
    "truncmod": lambda a, b: a - b * (abs(a) // abs(b) * (1 if (a >= 0) == (b >= 0) else -1)),
    "and": operator.and_, "or": operator.or_, "xor": operator.xor,
    "shl": operator.lshift, "shr": operator.rshift,
}
_COMPARE = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}


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
_POSITIVE = st.one_of(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16]).map(Const), st.just(N), st.just(Binary("mul", N, Const(2))))


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
