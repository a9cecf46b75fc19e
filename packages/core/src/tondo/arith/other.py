"""Expressions that are not int64 scalars: simplify what is inside, fold what the dtype allows.

Vectors of indices: sums and multiples of ramps and broadcasts are one ramp or broadcast; a quotient or remainder of
a ramp whose lanes stay within one period is a broadcast or ramp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tondo.arith.rules import Rules
from tondo.ir import (
    INT64,
    Binary,
    Broadcast,
    Cast,
    Compare,
    Const,
    Expr,
    Intrin,
    Load,
    Ramp,
    Select,
    Unary,
    Var,
    add,
    binary,
    floordiv,
    floormod,
    maximum,
    minimum,
    mul,
    negate,
    select,
    sub,
)
from tondo.ir.expr import BinaryOp, CompareOp

_FOLDING: Final[dict[str, Callable[[Expr, Expr], Expr]]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "floordiv": floordiv,
    "floormod": floormod,
    "min": minimum,
    "max": maximum,
}


def simplify_other(rules: Rules, expr: Expr) -> Expr:
    """Return ``expr`` with its parts simplified."""
    match expr:
        case Var() | Const():
            return expr
        case Load():
            indices = tuple(rules.simplify(index) for index in expr.indices)
            predicate = None if expr.predicate is None else rules.simplify(expr.predicate)
            same = predicate is expr.predicate and all(a is b for a, b in zip(indices, expr.indices, strict=True))
            return expr if same else Load(expr.buffer, indices, predicate, expr.span)
        case Binary():
            return _binary(rules, expr)
        case Unary():
            a = rules.simplify(expr.a)
            return (
                negate(a)
                if expr.op == "neg" and a.dtype.kind == "int" and isinstance(a, Const)
                else (expr if a is expr.a else Unary(expr.op, a, expr.span))
            )
        case Compare():
            a, b = rules.simplify(expr.a), rules.simplify(expr.b)
            decided = _decide_lanes(rules, expr.op, a, b)
            if decided is not None:
                return decided
            return expr if a is expr.a and b is expr.b else Compare(expr.op, a, b, expr.span)
        case Select():
            condition, a, b = rules.simplify(expr.condition), rules.simplify(expr.a), rules.simplify(expr.b)
            if condition is expr.condition and a is expr.a and b is expr.b and not isinstance(condition, Const):
                return expr if a != b else a
            return select(_scalar_of(condition), a, b)
        case Cast():
            return _cast(expr, rules.simplify(expr.a))
        case Intrin():
            args = tuple(rules.simplify(arg) for arg in expr.args)
            same = all(a is b for a, b in zip(args, expr.args, strict=True))
            return expr if same else Intrin(expr.name, args, expr.dtype, expr.span)
        case Ramp():
            base, stride = rules.simplify(expr.base), rules.simplify(expr.stride)
            if isinstance(stride, Const) and stride.value == 0:
                return Broadcast(base, expr.lanes)
            return expr if base is expr.base and stride is expr.stride else Ramp(base, stride, expr.lanes, expr.span)
        case Broadcast():
            value = rules.simplify(expr.value)
            return expr if value is expr.value else Broadcast(value, expr.lanes, expr.span)
        case _:
            return expr


def _scalar_of(condition: Expr) -> Expr:
    if isinstance(condition, Broadcast) and isinstance(condition.value, Const):
        return condition.value
    return condition


def _binary(rules: Rules, expr: Binary) -> Expr:
    a, b = rules.simplify(expr.a), rules.simplify(expr.b)
    if expr.dtype.lanes > 1:
        merged = _lanes(rules, expr.op, a, b)
        if merged is not None:
            return merged
    elif not expr.dtype.is_float:
        fold = _FOLDING.get(expr.op)
        if fold is not None and expr.dtype.is_integer:
            return fold(a, b)
        return binary(expr.op, a, b)
    return expr if a is expr.a and b is expr.b else Binary(expr.op, a, b, expr.span)


def _cast(expr: Cast, a: Expr) -> Expr:
    if a.dtype == expr.dtype:
        return a
    if isinstance(a, Const) and expr.dtype.is_integer and not a.dtype.is_float:
        value, bits = int(a.value), expr.dtype.bits
        low = 0 if expr.dtype.kind == "uint" else -(1 << (bits - 1))
        if low <= value < low + (1 << bits):
            return Const(value, expr.dtype)
    return expr if a is expr.a else Cast(expr.dtype, a, expr.span)


def _line(expr: Expr) -> tuple[Expr, Expr] | None:
    """Return ``(base, stride)`` of a vector that is an arithmetic sequence of int64."""
    if expr.dtype.element != INT64:
        return None
    if isinstance(expr, Ramp):
        return expr.base, expr.stride
    if isinstance(expr, Broadcast):
        return expr.value, Const(0)
    return None


def _vector(rules: Rules, base: Expr, stride: Expr, lanes: int) -> Expr:
    base, stride = rules.simplify(base), rules.simplify(stride)
    if isinstance(stride, Const) and stride.value == 0:
        return Broadcast(base, lanes)
    return Ramp(base, stride, lanes)


def _lanes(rules: Rules, op: BinaryOp, a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Broadcast) and isinstance(b, Broadcast) and a.dtype.element == INT64:
        return Broadcast(rules.simplify(Binary(op, a.value, b.value)), a.lanes)
    left, right = _line(a), _line(b)
    if left is None or right is None:
        return None
    lanes = a.dtype.lanes
    if op in {"add", "sub"}:
        join = add if op == "add" else sub
        return _vector(rules, join(left[0], right[0]), join(left[1], right[1]), lanes)
    if op == "mul" and isinstance(a, Broadcast):
        left, right = right, left
        a, b = b, a
    if not isinstance(b, Broadcast):
        return None
    if op == "mul":
        return _vector(rules, mul(left[0], right[0]), mul(left[1], right[0]), lanes)
    if op in {"floordiv", "floormod"} and isinstance(right[0], Const) and int(right[0].value) > 0:
        first = rules.form(left[0])
        last = rules.form(add(left[0], mul(left[1], lanes - 1)))
        divisor = right[0]
        quotient = rules.simplify(floordiv(first.to_expr(), divisor))
        # All lanes lie between the first and the last one.
        if quotient == rules.simplify(floordiv(last.to_expr(), divisor)):
            if op == "floordiv":
                return Broadcast(quotient, lanes)
            return _vector(rules, floormod(first.to_expr(), divisor), left[1], lanes)
    return None


def _decide_lanes(rules: Rules, op: CompareOp, a: Expr, b: Expr) -> Expr | None:
    """Decide a comparison of two arithmetic sequences when all lanes agree."""
    left, right = _line(a), _line(b)
    if left is None or right is None or a.dtype.lanes == 1:
        return None
    lanes = a.dtype.lanes
    if op in {"eq", "ne"} and not (isinstance(a, Broadcast) and isinstance(b, Broadcast)):
        return None
    first = rules.simplify(Compare(op, left[0], right[0]))
    ends = [add(side[0], mul(side[1], lanes - 1)) for side in (left, right)]
    last = rules.simplify(Compare(op, ends[0], ends[1]))
    if isinstance(first, Const) and first == last:
        return Broadcast(first, lanes)
    if isinstance(a, Broadcast) and isinstance(b, Broadcast):
        return Broadcast(first, lanes)
    return None
