"""Rules of comparisons and truth values.

Comparisons of int64 values become ``lt``, ``eq`` or ``ne`` of two sums without negative terms (``i*8 + j < n``),
divided by the common divisor of their coefficients; they are decided where the bounds of the difference allow it.
Conjunctions and disjunctions are flat sets in their first order.
"""

from __future__ import annotations

from typing import Final

from tondo.arith.affine import Affine
from tondo.arith.rules import Rules
from tondo.ir import BOOL, INT64, Binary, Compare, Const, Expr, Select, Unary, compare, logical_and, logical_or
from tondo.ir.expr import CompareOp

_NEGATED: Final[dict[CompareOp, CompareOp]] = {
    "eq": "ne",
    "ne": "eq",
    "lt": "ge",
    "le": "gt",
    "gt": "le",
    "ge": "lt",
}
TRUE: Final = Const(True, BOOL)
FALSE: Final = Const(False, BOOL)


def simplify_condition(rules: Rules, expr: Expr) -> Expr | None:
    """Return the canonical form of a scalar truth value; None if no rule concerns it."""
    match expr:
        case Compare():
            return _compare(rules, expr)
        case Unary(op="not"):
            return _negate(rules, rules.simplify(expr.a))
        case Binary(op="and" | "or"):
            return _junction(rules, expr)
        case Binary(op="xor"):
            a, b = rules.simplify(expr.a), rules.simplify(expr.b)
            if isinstance(a, Const) or isinstance(b, Const):
                value, other = (a, b) if isinstance(a, Const) else (b, a)
                return _negate(rules, other) if isinstance(value, Const) and value.value else other
            return FALSE if a == b else Binary("xor", a, b)
        case Select():
            return _select(rules, expr)
        case _:
            return None


def comparison(rules: Rules, op: CompareOp, a: Affine, b: Affine) -> Expr:
    """Return the canonical form of a comparison of two int64 values."""
    match op:
        case "lt":
            return _less(rules, rules.tidy(b - a))
        case "le":
            return _less(rules, rules.tidy(b - a).shift(1))
        case "gt":
            return _less(rules, rules.tidy(a - b))
        case "ge":
            return _less(rules, rules.tidy(a - b).shift(1))
        case "ne":
            return _negate(rules, _equal(rules, rules.tidy(a - b)))
        case _:
            return _equal(rules, rules.tidy(a - b))


def _compare(rules: Rules, expr: Compare) -> Expr:
    if expr.a.dtype == INT64:
        return comparison(rules, expr.op, rules.form(expr.a), rules.form(expr.b))
    a, b = rules.simplify(expr.a), rules.simplify(expr.b)
    if a == b and not a.dtype.is_float:
        return Const(expr.op in {"eq", "le", "ge"}, BOOL)
    return compare(expr.op, a, b)


def _less(rules: Rules, difference: Affine) -> Expr:
    """Return ``0 < difference``."""
    if rules.nonnegative(difference.shift(-1)):
        return TRUE
    if rules.nonnegative(difference.scale(-1)):
        return FALSE
    divisor = difference.content()
    if divisor > 1:  # 0 < g*y + c  <=>  0 < y + ceil(c / g)
        terms = tuple([(atom, k // divisor) for atom, k in difference.terms])
        difference = Affine(-(-difference.constant // divisor), terms)
    left, right = _sides(difference)
    return Compare("lt", left, right)


def _equal(rules: Rules, difference: Affine) -> Expr:
    """Return ``difference == 0``."""
    if difference.is_constant:
        return Const(difference.constant == 0, BOOL)
    divisor = difference.content()
    if difference.constant % divisor:
        return FALSE
    difference = difference.divide(divisor)
    low, high = rules.nonnegative(difference), rules.nonnegative(difference.scale(-1))
    if low and high:
        return TRUE
    if (low and rules.nonnegative(difference.shift(-1))) or (high and rules.nonnegative(difference.shift(1).scale(-1))):
        return FALSE
    left, right = _sides(difference if difference.terms[0][1] > 0 else difference.scale(-1))
    return Compare("eq", right, left)


def _sides(difference: Affine) -> tuple[Expr, Expr]:
    """Return ``(negative part, positive part)``, both without negative coefficients."""
    negative = Affine(0, tuple([(atom, -k) for atom, k in difference.terms if k < 0]))
    positive = Affine(0, tuple([term for term in difference.terms if term[1] > 0]))
    constant = difference.constant
    if constant > 0:
        positive = positive.shift(constant)
    else:
        negative = negative.shift(-constant)
    return negative.to_expr(), positive.to_expr()


def _negate(rules: Rules, condition: Expr) -> Expr:
    if isinstance(condition, Const):
        return Const(not condition.value, BOOL)
    if isinstance(condition, Unary) and condition.op == "not":
        return condition.a
    if isinstance(condition, Compare):
        if condition.op in {"eq", "ne"}:
            return Compare(_NEGATED[condition.op], condition.a, condition.b)
        if condition.a.dtype == INT64:
            return comparison(rules, _NEGATED[condition.op], rules.form(condition.a), rules.form(condition.b))
        if not condition.a.dtype.is_float:
            return Compare(_NEGATED[condition.op], condition.a, condition.b)
    return Unary("not", condition)


def _junction(rules: Rules, expr: Binary) -> Expr:
    parts: dict[Expr, None] = {}
    _flatten(rules, expr.op, expr, parts)
    absorbing = expr.op == "or"
    neutral = Const(not absorbing, BOOL)
    kept = [part for part in parts if part != neutral]
    if Const(absorbing, BOOL) in parts:
        return Const(absorbing, BOOL)
    result: Expr = neutral
    for part in kept:
        result = logical_or(result, part) if absorbing else logical_and(result, part)
    return result


def _flatten(rules: Rules, op: str, expr: Expr, parts: dict[Expr, None]) -> None:
    if isinstance(expr, Binary) and expr.op == op:
        _flatten(rules, op, expr.a, parts)
        _flatten(rules, op, expr.b, parts)
        return
    value = rules.simplify(expr)
    if isinstance(value, Binary) and value.op == op:
        _flatten(rules, op, value, parts)
    else:
        parts[value] = None


def _select(rules: Rules, expr: Select) -> Expr:
    condition, a, b = rules.simplify(expr.condition), rules.simplify(expr.a), rules.simplify(expr.b)
    if isinstance(condition, Const):
        return a if condition.value else b
    if a == b:
        return a
    if isinstance(a, Const) and isinstance(b, Const):
        return condition if a.value else _negate(rules, condition)
    return Select(condition, a, b)
