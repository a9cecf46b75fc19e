"""Strides, dilations, pads and sizes of sliding windows over ``[N, C, spatial...]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.ir import Buffer, Compute, Const, Expr, OpCall, all_of, floordiv, is_const, select
from tondo_ops.support.attributes import extents, ints, refuse
from tondo_ops.support.dims import ZERO, tidy
from tondo_ops.support.indices import at

MAX_SPATIAL = 3


@dataclass(frozen=True, slots=True)
class Geometry:
    """One window per spatial dimension: ``kernel`` taps ``dilations`` apart, moved by ``strides``.

    ``before`` and ``after`` count padded elements at the two ends, ``extra`` those beyond ``after`` that rounding up
    the output size asks for.
    """

    kernel: tuple[Expr, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[Expr, ...]
    after: tuple[Expr, ...]
    extra: tuple[Expr, ...]

    @property
    def rank(self) -> int:
        """Number of spatial dimensions."""
        return len(self.kernel)

    @property
    def padded(self) -> bool:
        """Whether anything is padded."""
        return not all(is_const(pad, 0) for pad in (*self.before, *self.after, *self.extra))

    def output(self, call: OpCall, sizes: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return the number of window positions per dimension; refuse a window larger than the padded input."""
        result: list[Expr] = []
        for i, size in enumerate(sizes):
            span = (self.kernel[i] - 1) * self.dilations[i] + 1
            room = tidy(size + self.before[i] + self.after[i] + self.extra[i] - span)
            if isinstance(room, Const) and room.value < 0:
                refuse(call, f"the window is larger than the padded input in spatial dimension {i}")
            result.append(tidy(floordiv(room, self.strides[i]) + 1))
        return tuple(result)

    def source(self, positions: Sequence[Expr], taps: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return where in the padded input the taps of the windows at ``positions`` lie."""
        pairs = zip(positions, taps, self.strides, self.dilations, strict=True)
        return tuple(position * stride + tap * dilation for position, tap, stride, dilation in pairs)


def read(call: OpCall, kernel: Sequence[Expr]) -> Geometry:
    """Return the geometry that the attributes of ``call`` describe, for windows of ``kernel`` taps."""
    rank = len(kernel)
    if not 1 <= rank <= MAX_SPATIAL:
        refuse(call, f"{rank} spatial dimensions; 1 to {MAX_SPATIAL} are supported")
    strides = ints(call, "strides", (1,) * rank)
    dilations = ints(call, "dilations", (1,) * rank)
    pads = extents(call, "pads", (0,) * (2 * rank))
    extra = extents(call, "extra", (0,) * rank)
    for name, values, wanted in (
        ("strides", strides, rank),
        ("dilations", dilations, rank),
        ("pads", pads, 2 * rank),
        ("extra", extra, rank),
    ):
        if len(values) != wanted:
            refuse(call, f"attribute '{name}' has {len(values)} items, {wanted} are needed")
    if min(*strides, *dilations, 1) < 1:
        refuse(call, "strides and dilations must be positive")
    if any(isinstance(pad, Const) and pad.value < 0 for pad in (*pads, *extra)):
        refuse(call, "pads must not be negative")
    return Geometry(tuple(kernel), strides, dilations, pads[:rank], pads[rank:], extra)


def padded_stage(builder: Compute, x: Buffer, geometry: Geometry, value: Expr) -> Buffer:
    """Return ``x`` itself, or a stage ``padded`` with ``value`` around its spatial dimensions if anything is padded."""
    if not geometry.padded:
        return x
    lead = x.rank - geometry.rank
    sizes = x.shape[lead:]
    ends = zip(sizes, geometry.before, geometry.after, geometry.extra, strict=True)
    shape = (*x.shape[:lead], *(tidy(size + before + after + extra) for size, before, after, extra in ends))

    def element(*index: Expr) -> Expr:
        own = [position - before for position, before in zip(index[lead:], geometry.before, strict=True)]
        inside: list[Expr] = []
        for i, position in enumerate(own):
            if not is_const(geometry.before[i], 0):
                inside.append(position >= ZERO)
            if not is_const(geometry.after[i], 0) or not is_const(geometry.extra[i], 0):
                inside.append(position < sizes[i])
        condition = all_of(inside)
        load = at(x, (*index[:lead], *own))
        return load if condition is None else select(condition, load, value)

    return builder.compute("padded", shape, element)
