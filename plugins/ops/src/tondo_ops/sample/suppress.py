"""Suppression of boxes that overlap a better one.

    keep[b, c, k] = valid[b, c, k], unless the box order[b, c, k] overlaps one kept before by more than the threshold,
                    or as many as the limit are kept already

Overlap is the area of the intersection over that of the union. Every class of every batch is walked along by itself.
"""

from __future__ import annotations

from tondo.ir import (
    Allocate,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Let,
    OpCall,
    Operator,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    TensorType,
    Var,
    const,
    maximum,
    minimum,
    whole,
)
from tondo_ops.support.attributes import flag, refuse
from tondo_ops.support.indices import at, clamped
from tondo_ops.support.opaque import Nest, function_of
from tondo_ops.support.typing import count, start, want_bool, want_float, want_integer, want_rank

_CORNERS = 4
_Span = tuple[Expr, Expr]


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 5)
    boxes, order, valid, threshold, limit = call.args
    want_float(call, boxes)
    want_rank(call, boxes, 3)
    if boxes.dims[2] != Const(_CORNERS):
        refuse(call, "boxes must have four coordinates")
    want_integer(call, order)
    want_rank(call, order, 3)
    want_bool(call, valid)
    want_rank(call, valid, 3)
    want_float(call, threshold)
    want_rank(call, threshold, 0)
    want_integer(call, limit)
    want_rank(call, limit, 0)
    return (valid,)


def _span(call: OpCall, boxes: Buffer, batch: Expr, box: Expr, axis: int) -> _Span:
    """Return low and high end of a box along an axis (0: the first coordinate, 1: the second)."""
    first, second = (at(boxes, (batch, box, const(i))) for i in (axis, axis + 2))
    if flag(call, "centered", default=False):
        half = second / 2.0
        return first - half, first + half
    return minimum(first, second), maximum(first, second)


def _overlaps(call: OpCall, boxes: Buffer, batch: Expr, pair: tuple[Expr, Expr], threshold: Expr, then: Stmt) -> Stmt:
    """Return ``then`` under the condition that two boxes overlap by more than ``threshold``."""
    kind, zero = boxes.dtype, const(0, boxes.dtype)
    names = ("shared", "own", "other")
    widths: list[list[Expr]] = [[], [], []]
    for axis in range(2):
        mine, its = (_span(call, boxes, batch, box, axis) for box in pair)
        widths[0].append(minimum(mine[1], its[1]) - maximum(mine[0], its[0]))
        widths[1].append(mine[1] - mine[0])
        widths[2].append(its[1] - its[0])
    sides = [[Var(f"{name}_{axis}", kind) for axis in range(2)] for name in names]
    areas = [Var(f"{name}_area", kind) for name in names]
    shared, own, other = areas
    union = own + other - shared
    positive = (sides[0][0] > zero) & (sides[0][1] > zero) & (shared > zero) & (own > zero) & (other > zero)
    body: Stmt = If(positive & (union > zero) & (shared / union > threshold), then)
    for area, side in reversed(list(zip(areas, sides, strict=True))):
        body = Let(area, side[0] * side[1], body)
    for side, width in zip(sides, widths, strict=True):
        for var, value in zip(side, width, strict=True):
            body = Let(var, value, body)
    return body


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    _, (boxes, order, valid, threshold, limit) = start(call, "boxes", "order", "valid", "threshold", "limit")
    keep = Buffer("keep", out.dims, out.dtype)
    kept = Buffer("kept", (const(1),), const(0).dtype)
    block = Nest("suppress", out.dims[:2])
    batch, size, here = block.index[0], out.dims[2], const(0)
    rank, before = Var("rank"), Var("before")
    own, other = Var("own_box"), Var("other_box")
    place = (*block.index, rank)
    apart = _overlaps(call, boxes, batch, (own, other), at(threshold, ()), Store(keep, place, const(value=False)))
    against = Let(other, clamped(at(order, (*block.index, before)), boxes.shape[1]), apart)
    compare = For(before, Const(0), rank, If(at(keep, (*block.index, before)) & at(keep, place), against))
    room = at(kept, (here,)) < at(limit, ()).astype(kept.dtype)
    step = Seq(
        (
            Store(keep, place, at(valid, place) & room),
            If(at(keep, place), Let(own, clamped(at(order, place), boxes.shape[1]), compare)),
            If(at(keep, place), Store(kept, (here,), at(kept, (here,)) + 1)),
        )
    )
    body: Stmt = Seq((Store(kept, (here,), here), For(rank, Const(0), size, step)))
    along = frozenset({2})
    reads = (whole(boxes), block.around(order, along), block.around(valid, along), whole(threshold), whole(limit))
    stmt = block.block(Allocate(kept, body), reads, (block.around(keep, along),))
    return function_of(call.op, (boxes, order, valid, threshold, limit), (keep,), stmt)


OPERATORS: tuple[Operator, ...] = (Operator("suppress", _infer, _define, "which boxes do not overlap a better one"),)
