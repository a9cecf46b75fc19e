"""Frames of a signal: overlapping parts of equal length, zero behind the end.

y[b, t, j, c] = x[b, t * step + j, c]
"""

from __future__ import annotations

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType, const, minimum, select
from tondo_ops.support.attributes import dim
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start, want_rank


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    want_rank(call, x, 3)
    dim(call, "step")
    return (TensorType((x.dims[0], dim(call, "frames"), dim(call, "length"), x.dims[2]), x.dtype),)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x,) = start(call, "x")
    step, size = dim(call, "step"), x.shape[1]

    def value(*index: Expr) -> Expr:
        place = index[1] * step + index[2]
        return select(place < size, at(x, (index[0], minimum(place, size - 1), index[3])), const(0, x.dtype))

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (Operator("frames", _infer, _define, "overlapping parts of a signal"),)
