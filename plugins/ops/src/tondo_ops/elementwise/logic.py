"""Comparisons, logical and bitwise operators, and the choice between two tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tondo.ir import Binary, Compare, Expr, OpCall, Operator, TensorType, logical_and, logical_or, select
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


def _shift(op: str) -> Callable[[OpCall, Sequence[Expr]], Expr]:
    """A shift by the width or more gives 0 (the machine's instruction would not)."""

    def elements(_call: OpCall, values: Sequence[Expr]) -> Expr:
        value, distance = values
        shifted = Binary("shl" if op == "shl" else "shr", value, distance)
        return select(distance < value.dtype.bits, shifted, value - value)

    return elements


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
    variadic("shift_left", _shift("shl"), want_integer, "bits of a moved up by b", low=2),
    variadic("shift_right", _shift("shr"), want_integer, "bits of a moved down by b", low=2),
    Operator("where", _infer_where, broadcasting(_infer_where, _where), "a where the condition holds, else b"),
)
