"""Local response normalisation: division by a power of the squares in neighbouring channels."""

from __future__ import annotations

from tondo.ir import Const, Expr, OpCall, Operator, TensorFunction, TensorType, all_of, const, intrin, select
from tondo_ops.elementwise.power import power
from tondo_ops.support.attributes import integer, number, refuse
from tondo_ops.support.dims import ZERO, tidy
from tondo_ops.support.indices import at, replaced
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import count, start, want_float, want_rank, wide

_MAX_RANK = 64


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_float(call, call.args[0])
    want_rank(call, call.args[0], 2, _MAX_RANK)
    if integer(call, "size") < 1:
        refuse(call, "attribute 'size' must be positive")
    return call.args


def _root_power(x: Expr, beta: float) -> Expr:
    """Return ``x ** beta`` of a positive x; quarters of whole numbers up to 1 by square roots."""
    if beta == 0.75:
        half = intrin("sqrt", x)
        return half * intrin("sqrt", half)
    return power(x, beta)


def _define(call: OpCall) -> TensorFunction:
    """Squares padded with zero channels, their sum over the window, the quotient."""
    (out,) = _infer(call)
    size = integer(call, "size")
    alpha, beta, bias = number(call, "alpha", 1e-4), number(call, "beta", 0.75), number(call, "bias", 1.0)
    builder, (x,) = start(call, "x")
    dtype, before = wide(x.dtype), (size - 1) // 2
    channels = x.shape[1]

    def square(*i: Expr) -> Expr:
        own = i[1] - before
        inside = all_of([own >= ZERO, own < channels])
        value = at(x, replaced(i, 1, own)).astype(dtype)
        return select(inside, value * value, const(0, dtype)) if inside is not None else value * value

    squares = builder.compute("squares", replaced(x.shape, 1, tidy(channels + (size - 1))), square)
    total = reduction(
        builder, "total", x.shape, (Const(size),), lambda *i: at(squares, replaced(i[:-1], 1, i[1] + i[-1]))
    )

    def value(*i: Expr) -> Expr:
        divisor = _root_power(at(total, i) * (alpha / size) + bias, beta)
        return (at(x, i).astype(dtype) / divisor).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (Operator("lrn", _infer, _define, "local response normalisation over channels"),)
