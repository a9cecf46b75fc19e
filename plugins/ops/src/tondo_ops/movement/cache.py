"""Writing a run of elements into a cache at a position per batch, as attention with a growing past does.

y[b, .., s, ..] = update[b, .., s - begin[b], ..] if that lies in the update, else x[b, .., s, ..]
"""

from __future__ import annotations

from tondo.ir import INT64, Expr, OpCall, Operator, TensorFunction, TensorType, select
from tondo_ops.support.attributes import axis_of, flag, refuse
from tondo_ops.support.dims import ZERO
from tondo_ops.support.indices import at, clamped, replaced
from tondo_ops.support.typing import agree, count, one_dtype, start, want_integer, want_rank

_MANY = 64


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3)
    x, update, begin = call.args
    one_dtype(call, (x, update))
    want_rank(call, x, 2, _MANY)
    want_rank(call, update, x.rank)
    want_rank(call, begin, 1)
    want_integer(call, begin)
    axis = axis_of(call, x.rank, default=-2)
    if axis == 0:
        refuse(call, "the batch cannot be the axis that is written along")
    for i, (a, b) in enumerate(zip(x.dims, update.dims, strict=True)):
        if i != axis:
            agree(call, a, b, f"sizes of dimension {i} of the cache and the update")
    agree(call, begin.dims[0], x.dims[0], "number of positions and batches")
    return (x,)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    axis = axis_of(call, out.rank, default=-2)
    builder, (x, update, begin) = start(call, "x", "update", "begin")
    circular = flag(call, "circular", default=False)

    def value(*index: Expr) -> Expr:
        offset = index[axis] - at(begin, (index[0],)).astype(INT64)
        place = offset % x.shape[axis] if circular else offset
        written = (place >= ZERO) & (place < update.shape[axis])
        return select(written, at(update, replaced(index, axis, clamped(place, update.shape[axis]))), at(x, index))

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("write_at", _infer, _define, "a cache with a run of elements written at a position per batch"),
)
