"""Regular parts of a tensor, with numpy's rules for positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.ir import Const, Expr, OpCall, Operator, TensorFunction, TensorType, ceildiv, is_const, maximum, minimum
from tondo_ops.support.attributes import ints, normal_axis, optional_extents, refuse
from tondo_ops.support.dims import ZERO, tidy
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start

_FAR = (1 << 31) - 1
"""Positions from here on (and their negatives) mean the border, whatever the size."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Positions ``start + i * step`` for ``i`` in ``0 .. size-1`` of one axis."""

    start: Expr
    step: int
    size: Expr


def _position(value: Expr, extent: Expr, low: Expr, high: Expr) -> Expr:
    """Return a position counted from the start and limited to ``low .. high``."""
    if isinstance(value, Const):
        if value.value >= _FAR:
            return high
        if value.value <= -_FAR:
            return low
        if value.value < 0:
            return tidy(maximum(extent + value, low))
        return tidy(minimum(value, high))
    return tidy(minimum(maximum(value, ZERO), high))


def cut(extent: Expr, begin: Expr | None, end: Expr | None, step: int) -> Cut:
    """Return what numpy's ``begin:end:step`` takes of an axis of size ``extent``."""
    last = tidy(extent - 1)
    if step > 0:
        first = ZERO if begin is None else _position(begin, extent, ZERO, extent)
        stop = extent if end is None else _position(end, extent, ZERO, extent)
        length = tidy(stop - first)
    else:
        first = last if begin is None else _position(begin, extent, Const(-1), last)
        stop = Const(-1) if end is None else _position(end, extent, Const(-1), last)
        length = tidy(first - stop)
    return Cut(first, step, tidy(maximum(ceildiv(length, abs(step)), ZERO)))


def _cuts(call: OpCall) -> dict[int, Cut]:
    (x,) = call.args
    axes = [normal_axis(call, axis, x.rank) for axis in ints(call, "axes")]
    starts = optional_extents(call, "starts")
    if "sizes" in call.attrs:
        return _parts(call, axes, starts)
    ends = optional_extents(call, "ends")
    steps = ints(call, "steps", (1,) * len(axes))
    if len(set(axes)) != len(axes) or not len(axes) == len(starts) == len(ends) == len(steps):
        refuse(call, "axes, starts, ends and steps must have one item per distinct axis")
    if 0 in steps:
        refuse(call, "steps must not be 0")
    return {axis: cut(x.dims[axis], starts[i], ends[i], steps[i]) for i, axis in enumerate(axes)}


def _parts(call: OpCall, axes: list[int], starts: Sequence[Expr | None]) -> dict[int, Cut]:
    """Return parts whose ``sizes`` are given: they are known to lie inside, nothing is limited."""
    sizes, steps = optional_extents(call, "sizes"), ints(call, "steps", (1,) * len(axes))
    if len(set(axes)) != len(axes) or not len(axes) == len(starts) == len(sizes) == len(steps) or None in sizes:
        refuse(call, "axes, starts, sizes and steps must have one item per distinct axis")
    parts = zip(axes, starts, sizes, steps, strict=True)
    return {
        axis: Cut(ZERO if begin is None else begin, step, tidy(size))
        for axis, begin, size, step in parts
        if size is not None
    }


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    cuts = _cuts(call)
    shape = tuple(cuts[axis].size if axis in cuts else extent for axis, extent in enumerate(x.dims))
    return (TensorType(shape, x.dtype),)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    cuts = _cuts(call)
    builder, (x,) = start(call, "x")

    def place(axis: int, position: Expr) -> Expr:
        if axis not in cuts or (is_const(cuts[axis].start, 0) and cuts[axis].step == 1):
            return position
        return cuts[axis].start + position * cuts[axis].step

    return builder.build(
        builder.compute("y", out.dims, lambda *i: at(x, [place(axis, position) for axis, position in enumerate(i)]))
    )


OPERATORS: tuple[Operator, ...] = (Operator("slice", _infer, _define, "a regular part of each axis"),)
