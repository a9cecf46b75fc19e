"""Repetition of elements: expand (broadcast) and tile."""

from __future__ import annotations

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType, is_const
from tondo_ops.support.attributes import extents, refuse
from tondo_ops.support.dims import ZERO, tidy
from tondo_ops.support.indices import at, broadcast_at
from tondo_ops.support.typing import count, start, stretched


def _infer_expand(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    return (TensorType(stretched(call, x.dims, extents(call, "shape")), x.dtype),)


def _define_expand(call: OpCall) -> TensorFunction:
    (out,) = _infer_expand(call)
    builder, (x,) = start(call, "x")
    return builder.build(builder.compute("y", out.dims, lambda *i: broadcast_at(x, i, out.dims)))


def _repeats(call: OpCall) -> tuple[Expr, ...]:
    repeats = extents(call, "repeats")
    if len(repeats) != call.args[0].rank:
        refuse(call, "attribute 'repeats' needs one item per dimension")
    return repeats


def _infer_tile(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    shape = tuple(tidy(extent * times) for extent, times in zip(x.dims, _repeats(call), strict=True))
    return (TensorType(shape, x.dtype),)


def _define_tile(call: OpCall) -> TensorFunction:
    (out,) = _infer_tile(call)
    repeats = _repeats(call)
    builder, (x,) = start(call, "x")

    def place(axis: int, position: Expr) -> Expr:
        if is_const(repeats[axis], 1):
            return position
        return ZERO if is_const(x.shape[axis], 1) else position % x.shape[axis]

    return builder.build(
        builder.compute("y", out.dims, lambda *i: at(x, [place(axis, position) for axis, position in enumerate(i)]))
    )


OPERATORS: tuple[Operator, ...] = (
    Operator("expand", _infer_expand, _define_expand, "broadcast to a shape"),
    Operator("tile", _infer_tile, _define_tile, "repeated along each axis"),
)
