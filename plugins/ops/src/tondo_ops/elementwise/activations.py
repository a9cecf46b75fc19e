"""Activation functions: piecewise and smooth functions of one argument with numeric attributes.

``max`` and ``min`` take the constant first: then a NaN in the data wins, as their second operand.
"""

from __future__ import annotations

import math

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType, const, intrin, maximum, minimum, select
from tondo_ops.elementwise.build import in_float32, unary, variadic
from tondo_ops.elementwise.unary import absolute
from tondo_ops.support.attributes import choice, number, optional_number, refuse
from tondo_ops.support.indices import at, broadcast_at
from tondo_ops.support.typing import broadcast_to, count, one_dtype, start, want_float, want_numeric

_SELU_ALPHA = 1.67326319217681884765625
_SELU_GAMMA = 1.05070102214813232421875


def _relu(_call: OpCall, x: Expr) -> Expr:
    return maximum(const(0, x.dtype), x)


def _leaky_relu(call: OpCall, x: Expr) -> Expr:
    return select(x < 0, x * number(call, "alpha", 0.01), x)


def _elu(call: OpCall, x: Expr) -> Expr:
    return select(x > 0, x, intrin("expm1", x) * number(call, "alpha", 1.0))


def _selu(call: OpCall, x: Expr) -> Expr:
    alpha, gamma = number(call, "alpha", _SELU_ALPHA), number(call, "gamma", _SELU_GAMMA)
    return select(x > 0, x * gamma, intrin("expm1", x) * (alpha * gamma))


def _celu(call: OpCall, x: Expr) -> Expr:
    alpha = number(call, "alpha", 1.0)
    if alpha == 0:
        refuse(call, "attribute 'alpha' must not be 0")
    return select(x > 0, x, intrin("expm1", x * (1 / alpha)) * alpha)


def _gelu(call: OpCall, x: Expr) -> Expr:
    if choice(call, "approximate", ("none", "tanh"), "none") == "none":
        return x * 0.5 * (intrin("erf", x * math.sqrt(0.5)) + 1.0)
    inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
    return x * 0.5 * (intrin("tanh", inner) + 1.0)


def _bounded(low: float, high: float, x: Expr) -> Expr:
    return minimum(const(high, x.dtype), maximum(const(low, x.dtype), x))


def _hard_sigmoid(call: OpCall, x: Expr) -> Expr:
    return _bounded(0, 1, x * number(call, "alpha", 0.2) + number(call, "beta", 0.5))


def softplus(x: Expr) -> Expr:
    """Return ``log(1 + exp(x))`` without overflow."""
    return maximum(const(0, x.dtype), x) + intrin("log1p", intrin("exp", -absolute(x)))


def _silu(call: OpCall, x: Expr) -> Expr:
    alpha = number(call, "alpha", 1.0)
    return x * intrin("sigmoid", x if alpha == 1 else x * alpha)


def _thresholded_relu(call: OpCall, x: Expr) -> Expr:
    return select(x > number(call, "alpha", 1.0), x, const(0, x.dtype))


def _shrink(call: OpCall, x: Expr) -> Expr:
    bias, limit = number(call, "bias", 0.0), number(call, "lambd", 0.5)
    return select(x < -limit, x + bias, select(x > limit, x - bias, const(0, x.dtype)))


def _clip(call: OpCall, x: Expr) -> Expr:
    low, high = optional_number(call, "low"), optional_number(call, "high")
    if low is not None:
        x = maximum(const(_limit(low, x), x.dtype), x)
    return x if high is None else minimum(const(_limit(high, x), x.dtype), x)


def _limit(value: float, x: Expr) -> float:
    """Return a bound that the dtype of ``x`` can hold (an infinite bound of an integer is the end of its range)."""
    if x.dtype.is_float:
        return value
    signed = x.dtype.kind == "int"
    low = -(1 << (x.dtype.bits - 1)) if signed else 0
    high = (1 << (x.dtype.bits - signed)) - 1
    return low if value <= low else high if value >= high else value


def _infer_prelu(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    one_dtype(call)
    want_float(call, call.args[0])
    x = call.args[0]
    broadcast_to(call, call.args[1].dims, x.dims, "the slope does not broadcast to the shape of the input")
    return (x,)


def _define_prelu(call: OpCall) -> TensorFunction:
    (out,) = _infer_prelu(call)
    builder, (x, slope) = start(call, "x", "slope")

    def value(*i: Expr) -> Expr:
        element = at(x, i)
        return select(element < 0, element * broadcast_at(slope, i, out.dims), element)

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    unary("relu", _relu, want_numeric, "max(x, 0)"),
    unary("leaky_relu", _leaky_relu, want_float, "x, times alpha where negative"),
    unary("elu", in_float32(_elu), want_float, "x, alpha * (exp(x) - 1) where negative"),
    unary("selu", in_float32(_selu), want_float, "scaled exponential linear unit"),
    unary("celu", in_float32(_celu), want_float, "continuously differentiable exponential linear unit"),
    unary("gelu", in_float32(_gelu), want_float, "x * P(normal <= x), exact or by tanh"),
    unary("hard_sigmoid", _hard_sigmoid, want_float, "alpha * x + beta between 0 and 1"),
    unary("hard_swish", lambda _call, x: x * _bounded(0, 1, x * (1 / 6) + 0.5), want_float, "x * hard_sigmoid(x)"),
    unary("mish", in_float32(lambda _call, x: x * intrin("tanh", softplus(x))), want_float, "x * tanh(softplus(x))"),
    unary("softplus", in_float32(lambda _call, x: softplus(x)), want_float, "log(1 + exp(x))"),
    unary("softsign", in_float32(lambda _call, x: x / (absolute(x) + 1.0)), want_float, "x / (1 + |x|)"),
    unary("silu", in_float32(_silu), want_float, "x * sigmoid(alpha * x)"),
    unary("thresholded_relu", _thresholded_relu, want_float, "x where above alpha, else 0"),
    unary("shrink", _shrink, want_numeric, "x moved towards 0 by bias, 0 within lambd"),
    unary("clip", _clip, want_numeric, "x limited to low .. high"),
    variadic(
        "clip_between",
        lambda _call, v: minimum(v[2], maximum(v[1], v[0])),
        want_numeric,
        "x limited to low .. high",
        low=3,
    ),
    Operator("prelu", _infer_prelu, _define_prelu, "x, times slope where negative"),
)
