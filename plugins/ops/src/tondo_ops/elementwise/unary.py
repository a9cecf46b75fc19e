"""Mathematical functions of one argument, casts and tests."""

from __future__ import annotations

from tondo.ir import BOOL, DType, Expr, OpCall, Operator, TensorType, const, intrin, logical_and, select
from tondo_ops.elementwise.build import Element, boolean, in_float32, unary
from tondo_ops.support.attributes import element_type, flag, refuse
from tondo_ops.support.typing import want_bool, want_float, want_integer, want_numeric

_FUNCTIONS = (
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "sigmoid",
)
_ROUNDINGS = ("floor", "ceil", "round", "trunc")


def _anything(call: OpCall, value: TensorType) -> None:
    """Accept every dtype but handles."""
    if value.dtype.kind == "handle":
        refuse(call, "cannot compute with handles")


def _function(name: str) -> Element:
    return in_float32(lambda _call, x: intrin(name, x))


def _rounding(name: str) -> Element:
    return lambda _call, x: intrin(name, x) if x.dtype.is_float else x


def absolute(x: Expr) -> Expr:
    """Return ``|x|``."""
    if x.dtype.kind == "uint":
        return x
    return intrin("abs", x)


def _sign(_call: OpCall, x: Expr) -> Expr:
    one, zero = const(1, x.dtype), const(0, x.dtype)
    if x.dtype.kind == "uint":
        return select(x > zero, one, zero)
    negative = const(-1, x.dtype)
    rest = x if x.dtype.is_float else zero  # a float that is neither is 0, -0 or NaN: itself
    return select(x > zero, one, select(x < zero, negative, rest))


def _isinf(call: OpCall, x: Expr) -> Expr:
    positive, negative = flag(call, "positive", default=True), flag(call, "negative", default=True)
    infinite = intrin("isinf", x, dtype=BOOL)
    if positive and negative:
        return infinite
    if not positive and not negative:
        return const(value=False)
    zero = const(0, x.dtype)
    return logical_and(infinite, x > zero if positive else x < zero)


def _target(call: OpCall) -> DType:
    return element_type(call, "dtype")


OPERATORS: tuple[Operator, ...] = (
    *(unary(name, _function(name), want_float, f"{name} of each element") for name in _FUNCTIONS),
    *(unary(name, _rounding(name), want_numeric, f"{name} of each element") for name in _ROUNDINGS),
    unary("reciprocal", in_float32(lambda _call, x: 1.0 / x), want_float, "1 / x"),
    unary("neg", lambda _call, x: -x, want_numeric, "-x"),
    unary("abs", lambda _call, x: absolute(x), want_numeric, "|x|"),
    unary("sign", _sign, want_numeric, "-1, 0 or 1"),
    unary("identity", lambda _call, x: x, _anything, "x"),
    unary("logical_not", lambda _call, x: ~x, want_bool, "not x"),
    unary("bitwise_not", lambda _call, x: ~x, want_integer, "all bits inverted"),
    unary("isnan", lambda _call, x: intrin("isnan", x, dtype=BOOL), want_float, "whether x is not a number", boolean),
    unary("isinf", _isinf, want_float, "whether x is infinite (of a sign)", boolean),
    unary("cast", lambda call, x: x.astype(_target(call)), _anything, "x as another dtype", _target),
)
