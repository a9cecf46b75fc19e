"""Comparisons, logical and bitwise operators, and the choice between two tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tondo.ir import (
    Binary,
    Compare,
    Expr,
    OpCall,
    Operator,
    TensorType,
    const,
    logical_and,
    logical_or,
    minimum,
    select,
)
from tondo.ir.expr import CompareOp
from tondo_ops.elementwise.build import boolean, broadcasting, variadic
from tondo_ops.support.attributes import refuse
from tondo_ops.support.typing import broadcast, count, one_dtype, want_bool, want_integer, want_numeric

_COMPARISONS: tuple[tuple[str, CompareOp], ...] = (
    ("equal", "eq"),
    ("not_equal", "ne"),
    ("less", "lt"),
    ("less_equal", "le"),
    ("greater", "gt"),
    ("greater_equal", "ge"),
)


def _comparable(call: OpCall, value: TensorType) -> None:
    """Accept numbers and, for equality, truth values."""
    if value.dtype.is_bool and call.op in {"equal", "not_equal"}:
        return
    want_numeric(call, value)


def _compare(op: CompareOp) -> Callable[[OpCall, Sequence[Expr]], Expr]:
    return lambda _call, values: Compare(op, values[0], values[1])


def _shift_left(_call: OpCall, values: Sequence[Expr]) -> Expr:
    """A shift by the width or more gives 0 (the machine's instruction would not)."""
    value, distance = values
    return select(distance < value.dtype.bits, Binary("shl", value, distance), const(0, value.dtype))


def _shift_right(_call: OpCall, values: Sequence[Expr]) -> Expr:
    """A shift by the width or more gives 0, or -1 for a negative value."""
    value, distance = values
    if value.dtype.kind == "int":
        return Binary("shr", value, minimum(distance, value.dtype.bits - 1))
    return select(distance < value.dtype.bits, Binary("shr", value, distance), const(0, value.dtype))


def _xor(_call: OpCall, values: Sequence[Expr]) -> Expr:
    return Binary("xor", values[0], values[1])


def _infer_where(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3)
    if not call.args[0].dtype.is_bool:
        refuse(call, f"the condition has dtype {call.args[0].dtype}")
    return (TensorType(broadcast(call), one_dtype(call, call.args[1:])),)


def _where(_call: OpCall, values: Sequence[Expr]) -> Expr:
    return select(values[0], values[1], values[2])


OPERATORS: tuple[Operator, ...] = (
    *(
        variadic(name, _compare(op), _comparable, f"whether a {op} b", low=2, result=boolean)
        for name, op in _COMPARISONS
    ),
    variadic("logical_and", lambda _call, v: logical_and(v[0], v[1]), want_bool, "a and b", low=2),
    variadic("logical_or", lambda _call, v: logical_or(v[0], v[1]), want_bool, "a or b", low=2),
    variadic("logical_xor", _xor, want_bool, "a or b but not both", low=2),
    variadic("bitwise_and", lambda _call, v: logical_and(v[0], v[1]), want_integer, "bits set in a and b", low=2),
    variadic("bitwise_or", lambda _call, v: logical_or(v[0], v[1]), want_integer, "bits set in a or b", low=2),
    variadic("bitwise_xor", _xor, want_integer, "bits set in one of a and b", low=2),
    variadic("shift_left", _shift_left, want_integer, "bits of a moved up by b", low=2),
    variadic("shift_right", _shift_right, want_integer, "bits of a moved down by b", low=2),
    Operator("where", _infer_where, broadcasting(_infer_where, _where), "a where the condition holds, else b"),
)
