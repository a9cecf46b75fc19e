"""The k largest or smallest elements along an axis, sorted, with their places.

The definition ranks every element by counting those before it in the order (n comparisons each), then picks the
element of each rank: two reductions with affine indices, n * (n + k) steps per row.
"""

from __future__ import annotations

from tondo.ir import (
    INT64,
    Const,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    const,
    logical_and,
    logical_or,
    select,
)
from tondo_ops.support.attributes import axis_of, dim, flag, refuse
from tondo_ops.support.dims import tidy
from tondo_ops.support.indices import at, clamped, replaced
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import count, start, want_numeric


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    want_numeric(call, x)
    if x.rank == 0:
        refuse(call, "needs at least one dimension")
    axis, k = axis_of(call, x.rank, default=-1), dim(call, "k")
    room = tidy(x.dims[axis] - k)
    if (isinstance(room, Const) and room.value < 0) or (isinstance(k, Const) and k.value < 0):
        refuse(call, "k is not between 0 and the size of the axis")
    shape = replaced(x.dims, axis, k)
    return (TensorType(shape, x.dtype), TensorType(shape, INT64))


def _define(call: OpCall) -> TensorFunction:
    values, places = _infer(call)
    axis, largest = axis_of(call, call.args[0].rank, default=-1), flag(call, "largest", default=True)
    builder, (x,) = start(call, "x")
    size = x.shape[axis]

    def before(*index: Expr) -> Expr:
        own, other = index[:-1], index[-1]
        mine, its = at(x, own), at(x, replaced(own, axis, other))
        better = its > mine if largest else its < mine
        tied = logical_and(its.eq(mine), other < own[axis])
        return select(logical_or(better, tied), const(1), const(0))

    rank = reduction(builder, "rank", x.shape, (size,), before)

    def place(*index: Expr) -> Expr:
        own, other = index[:-1], index[-1]
        found = at(rank, replaced(own, axis, other)).eq(own[axis])
        return select(found, other, const(0))

    indices = reduction(builder, "indices", places.dims, (size,), place, "max")
    y = builder.compute("y", values.dims, lambda *i: at(x, replaced(i, axis, clamped(at(indices, i), size))))
    return builder.build(y, indices)


OPERATORS: tuple[Operator, ...] = (Operator("top_k", _infer, _define, "the k extreme elements along an axis, sorted"),)
