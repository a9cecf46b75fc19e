"""Intervals of atoms and sums."""

from __future__ import annotations

from tondo.arith.affine import Affine
from tondo.arith.interval import EVERYTHING, Interval
from tondo.arith.rules import Rules
from tondo.ir import INT64, Binary, Cast, Const, DType, Expr, Select

_MAX_SUBSTITUTIONS = 8


def type_range(dtype: DType) -> Interval:
    """Return the values of an integer or bool type; int64 counts as unbounded (indices do not overflow)."""
    if dtype.is_bool:
        return Interval(0, 1)
    if not dtype.is_integer or dtype == INT64:
        return EVERYTHING
    if dtype.kind == "uint":
        return Interval(0, (1 << dtype.bits) - 1)
    return Interval(-(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1)


def atom_range(rules: Rules, atom: Expr) -> Interval:
    """Return the values an atom can have by its structure, facts left aside."""
    match atom:
        case Binary(op="mul"):
            return rules.range_of(rules.form(atom.a)) * rules.range_of(rules.form(atom.b))
        case Binary(op="floordiv"):
            return _quotient_range(rules.range_of(rules.form(atom.a)), rules.range_of(rules.form(atom.b)))
        case Binary(op="floormod"):
            return _remainder_range(rules.range_of(rules.form(atom.a)), rules.range_of(rules.form(atom.b)))
        case Binary(op="min"):
            return rules.range_of(rules.form(atom.a)).smaller(rules.range_of(rules.form(atom.b)))
        case Binary(op="max"):
            return rules.range_of(rules.form(atom.a)).larger(rules.range_of(rules.form(atom.b)))
        case Binary(op="and", b=Const(value=mask)) if mask >= 0:
            return Interval(0, int(mask))
        case Select():
            return rules.range_of(rules.form(atom.a)).join(rules.range_of(rules.form(atom.b)))
        case Cast() if atom.a.dtype.is_integer or atom.a.dtype.is_bool:
            inner = type_range(atom.a.dtype)
            limits = type_range(atom.dtype)
            return inner if limits.contains(inner) else limits
        case _:
            return type_range(atom.dtype)


def _quotient_range(value: Interval, divisor: Interval) -> Interval:
    if divisor.low is None or divisor.low < 1:
        return EVERYTHING
    # v // d moves toward 0 (or -1 below zero) as d grows, so the extremes lie at the ends of the divisor.
    low = high = None
    if value.low is not None:
        far = 0 if value.low >= 0 else -1
        low = value.low // divisor.low
        low = min(low, far if divisor.high is None else value.low // divisor.high)
    if value.high is not None:
        far = 0 if value.high >= 0 else -1
        high = value.high // divisor.low
        high = max(high, far if divisor.high is None else value.high // divisor.high)
    return Interval(low, high)


def _remainder_range(value: Interval, divisor: Interval) -> Interval:
    if divisor.low is None or divisor.low < 1:
        return EVERYTHING
    top = None if divisor.high is None else divisor.high - 1
    if value.low is not None and value.low >= 0:
        if value.high is not None and value.high < divisor.low:
            return value
        return Interval(0, top).meet(Interval(0, value.high))
    return Interval(0, top)


def sum_range(rules: Rules, value: Affine) -> Interval:
    """Return the interval of a sum; symbolic bounds of its variables tighten it."""
    result = direct_range(rules, value)
    if not value.terms:
        return result
    below = substitute_bounds(rules, value, lower=True)
    above = substitute_bounds(rules, value, lower=False)
    if below is not None:
        result = result.meet(Interval(direct_range(rules, below).low, None))
    if above is not None:
        result = result.meet(Interval(None, direct_range(rules, above).high))
    return result


def direct_range(rules: Rules, value: Affine) -> Interval:
    """Return the interval of a sum from the intervals of its atoms alone."""
    low: int | None = value.constant
    high: int | None = value.constant
    for atom, k in value.terms:
        limits = rules.fact(atom)
        first, last = (limits.low, limits.high) if k > 0 else (limits.high, limits.low)
        low = None if low is None or first is None else low + k * first
        high = None if high is None or last is None else high + k * last
        if low is None and high is None:
            return EVERYTHING
    return Interval(low, high)


def substitute_bounds(rules: Rules, value: Affine, *, lower: bool) -> Affine | None:
    """Return a symbolic lower (upper) bound of ``value`` without the variables that have symbolic bounds.

    None if no variable could be replaced.
    """
    current, changed = value, False
    for var in rules.bounded_vars():
        slope, rest = current.split(var)
        if slope.is_constant and slope.constant == 0:
            continue
        limits = direct_range(rules, slope)
        lows, highs = rules.symbolic(var)
        if limits.low is not None and limits.low >= 0:
            choices = lows if lower else highs
        elif limits.high is not None and limits.high <= 0:
            choices = highs if lower else lows
        else:
            continue
        if not choices:
            continue
        replaced = slope.times(choices[0])
        if replaced is None:
            continue
        current, changed = rules.tidy(replaced + rest), True
    return current if changed else None
