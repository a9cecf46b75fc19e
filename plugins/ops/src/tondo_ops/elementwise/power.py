"""Powers: of two tensors of any numeric dtypes, and with an exponent that is known."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import FLOAT64, Expr, OpCall, Operator, TensorType, const, intrin
from tondo_ops.elementwise.build import broadcasting, unary
from tondo_ops.support.attributes import number
from tondo_ops.support.typing import broadcast, count, want_numeric, wide

_MAX_PRODUCT = 16
"""Whole exponents up to this one become products."""


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    for arg in call.args:
        want_numeric(call, arg)
    return (TensorType(broadcast(call), call.args[0].dtype),)


def _pow(_call: OpCall, values: Sequence[Expr]) -> Expr:
    """Return a ** b in the dtype of a; whole bases go through float64 (exact to 2**53)."""
    base, exponent = values
    work = wide(base.dtype) if base.dtype.is_float else FLOAT64
    return intrin("pow", base.astype(work), exponent.astype(work)).astype(base.dtype)


def _product(x: Expr, exponent: int) -> Expr:
    """Return ``x ** exponent`` (at least 1) by repeated squaring."""
    half = _product(x, exponent // 2) if exponent > 1 else x
    if exponent == 1:
        return x
    square = half * half
    return square * x if exponent % 2 else square


def power(x: Expr, exponent: float) -> Expr:
    """Return ``x ** exponent`` of a float for a known exponent, by products and roots where these are exact enough."""
    magnitude = abs(exponent)
    if magnitude == 0:
        return const(1, x.dtype)
    if magnitude <= _MAX_PRODUCT and magnitude == int(magnitude):
        result = _product(x, int(magnitude))
    elif magnitude == 0.5:
        return intrin("sqrt" if exponent > 0 else "rsqrt", x)
    else:
        return intrin("pow", x, const(exponent, x.dtype))
    return result if exponent > 0 else 1.0 / result


def _pow_scalar(call: OpCall, x: Expr) -> Expr:
    exponent = number(call, "exponent")
    if x.dtype.is_float:
        return power(x.astype(wide(x.dtype)), exponent)
    if 1 <= exponent <= _MAX_PRODUCT and exponent == int(exponent):
        return _product(x, int(exponent))
    return intrin("pow", x.astype(FLOAT64), const(exponent, FLOAT64))


OPERATORS: tuple[Operator, ...] = (
    Operator("pow", _infer, broadcasting(_infer, _pow), "a ** b in the dtype of a"),
    unary("pow_scalar", _pow_scalar, want_numeric, "x ** exponent"),
)
