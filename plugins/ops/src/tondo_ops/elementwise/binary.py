"""Arithmetic of several arguments with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from tondo.ir import BOOL, Binary, Expr, OpCall, Operator, TensorType, binary, const, intrin, maximum, minimum, select
from tondo_ops.elementwise.build import variadic
from tondo_ops.support.attributes import flag
from tondo_ops.support.typing import want_float, want_numeric, wide

Pair = Callable[[Expr, Expr], Expr]


def nan_wins(pick: Pair) -> Pair:
    """Return ``pick`` (a min or max whose second operand wins against NaN) such that a NaN on either side wins."""

    def combine(a: Expr, b: Expr) -> Expr:
        if not a.dtype.is_float:
            return pick(a, b)
        return select(intrin("isnan", a, dtype=BOOL), a, pick(a, b))

    return combine


def _fold(pair: Pair) -> Callable[[OpCall, Sequence[Expr]], Expr]:
    return lambda _call, values: reduce(pair, values)


def _div(_call: OpCall, values: Sequence[Expr]) -> Expr:
    a, b = values
    return a / b if a.dtype.is_float else binary("truncdiv", a, b)


def _mod(call: OpCall, values: Sequence[Expr]) -> Expr:
    a, b = values
    if a.dtype.is_integer:
        return Binary("truncmod" if flag(call, "fmod", default=False) else "floormod", a, b)
    rest = intrin("fmod", a.astype(wide(a.dtype)), b.astype(wide(b.dtype)))
    if flag(call, "fmod", default=False):
        return rest
    divisor = b.astype(wide(b.dtype))
    zero = const(0, rest.dtype)
    opposite = (rest < zero).ne(divisor < zero)
    return select(rest.ne(zero) & opposite, rest + divisor, rest)


def _mean(_call: OpCall, values: Sequence[Expr]) -> Expr:
    total = reduce(lambda a, b: a + b, (value.astype(wide(value.dtype)) for value in values))
    return total * (1 / len(values))


def _atan2(_call: OpCall, values: Sequence[Expr]) -> Expr:
    a, b = (value.astype(wide(value.dtype)) for value in values)
    return intrin("atan2", a, b)


def _any_count(name: str, pair: Pair, doc: str) -> Operator:
    return variadic(name, _fold(pair), want_numeric, doc, low=1, high=1 << 16)


def _two(name: str, pair: Pair, check: Callable[[OpCall, TensorType], None], doc: str) -> Operator:
    return variadic(name, lambda _call, values: pair(values[0], values[1]), check, doc, low=2)


OPERATORS: tuple[Operator, ...] = (
    _two("add", lambda a, b: a + b, want_numeric, "a + b"),
    _two("sub", lambda a, b: a - b, want_numeric, "a - b"),
    _two("mul", lambda a, b: a * b, want_numeric, "a * b"),
    variadic("div", _div, want_numeric, "a / b; integers truncate toward zero", low=2),
    variadic("mod", _mod, want_numeric, "remainder with the sign of the divisor, or of the dividend (fmod)", low=2),
    variadic("atan2", _atan2, want_float, "angle of the point (b, a)", low=2),
    _any_count("sum", lambda a, b: a + b, "sum of the arguments"),
    _any_count("max", nan_wins(maximum), "largest of the arguments"),
    _any_count("min", nan_wins(minimum), "smallest of the arguments"),
    variadic("mean", _mean, want_float, "mean of the arguments", low=1, high=1 << 16),
)
