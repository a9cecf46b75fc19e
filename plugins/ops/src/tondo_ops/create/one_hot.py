"""Indices as vectors with one distinguished element."""

from __future__ import annotations

from tondo.ir import FLOAT32, INT64, Const, Expr, OpCall, Operator, TensorFunction, TensorType, const, select
from tondo_ops.support.attributes import dim, element_type, integer, normal_axis, number, refuse
from tondo_ops.support.indices import at, insert, wrapped
from tondo_ops.support.typing import count, start, want_numeric


def _axis(call: OpCall) -> int:
    return normal_axis(call, integer(call, "axis", -1), call.args[0].rank + 1)


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (indices,) = call.args
    want_numeric(call, indices)
    depth = dim(call, "depth")
    if isinstance(depth, Const) and depth.value < 0:
        refuse(call, "attribute 'depth' must not be negative")
    return (TensorType(insert(indices.dims, _axis(call), depth), element_type(call, "dtype", FLOAT32)),)


def _define(call: OpCall) -> TensorFunction:
    """An index outside ``-depth .. depth-1`` marks nothing."""
    (out,) = _infer(call)
    axis, depth = _axis(call), dim(call, "depth")
    on, off = const(number(call, "on", 1), out.dtype), const(number(call, "off", 0), out.dtype)
    builder, (indices,) = start(call, "indices")

    def value(*i: Expr) -> Expr:
        marked = wrapped(at(indices, (*i[:axis], *i[axis + 1 :])).astype(INT64), depth)
        return select(i[axis].eq(marked), on, off)

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (Operator("one_hot", _infer, _define, "vectors with one distinguished element"),)
