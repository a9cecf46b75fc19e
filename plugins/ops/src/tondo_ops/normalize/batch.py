"""Normalisation by stored statistics per channel: ``(x - mean) / sqrt(variance + epsilon) * scale + bias``.

The definition computes one factor and one shift per channel and then ``x * factor + shift``, so that constant
statistics fold away and what remains is one multiply-add.
"""

from __future__ import annotations

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType, intrin
from tondo_ops.support.attributes import number
from tondo_ops.support.indices import at
from tondo_ops.support.typing import agree, count, start, want_float, want_rank, wide

_MAX_RANK = 64


def check_channels(call: OpCall) -> None:
    """Refuse a call whose arguments after the first are not vectors over the channels of the first."""
    x = call.args[0]
    want_rank(call, x, 2, _MAX_RANK)
    for arg in call.args:
        want_float(call, arg)
    for arg in call.args[1:]:
        want_rank(call, arg, 1)
        agree(call, arg.dims[0], x.dims[1], "length of a per-channel argument and channels")


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 5)
    check_channels(call)
    return (call.args[0],)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    epsilon = number(call, "epsilon", 1e-5)
    builder, (x, scale, bias, mean, variance) = start(call, "x", "scale", "bias", "mean", "variance")
    dtype = wide(out.dtype)

    def factor_of(c: Expr) -> Expr:
        return at(scale, (c,)).astype(dtype) / intrin("sqrt", at(variance, (c,)).astype(dtype) + epsilon)

    factor = builder.compute("factor", scale.shape, factor_of)

    def shift_of(c: Expr) -> Expr:
        return at(bias, (c,)).astype(dtype) - at(mean, (c,)).astype(dtype) * at(factor, (c,))

    shift = builder.compute("shift", scale.shape, shift_of)

    def value(*i: Expr) -> Expr:
        return (at(x, i).astype(dtype) * at(factor, (i[1],)) + at(shift, (i[1],))).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("batch_norm", _infer, _define, "normalisation by stored statistics per channel"),
)
