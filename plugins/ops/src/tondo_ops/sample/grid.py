"""Sampling at a grid of coordinates between -1 and 1, the last one given first (x before y).

y[n, c, ...o] = x[n, c, ...] at the coordinates grid[n, ...o, :]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from tondo.ir import (
    INT64,
    Buffer,
    Compute,
    Const,
    DType,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    const,
    intrin,
    maximum,
    minimum,
    select,
)
from tondo_ops.sample.taps import Tap, floor_of, inside, nearest_inside, real, reflected, weighted_sum, weights
from tondo_ops.support.attributes import choice, flag, refuse
from tondo_ops.support.indices import at
from tondo_ops.support.typing import agree, count, start, want_elements, want_float, want_rank, wide

_MODES = ("linear", "nearest", "cubic")
_PADDINGS = ("zeros", "border", "reflection")
_MANY: Final = 64
_OFFSETS: Final = {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}
"""Positions of the taps of each mode, relative to the position before the coordinate."""


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    x, grid = call.args
    want_rank(call, x, 3, _MANY)
    want_rank(call, grid, x.rank)
    want_float(call, grid)
    choice(call, "mode", _MODES, "linear")
    choice(call, "padding", _PADDINGS, "zeros")
    agree(call, x.dims[0], grid.dims[0], "batches of the input and the grid")
    depth = grid.dims[-1]
    if not isinstance(depth, Const) or depth.value != x.rank - 2:
        refuse(call, f"the last dimension of the grid must be {x.rank - 2}")
    shape = (*x.dims[:2], *grid.dims[1:-1])
    want_elements(call, x.dims[2:], shape)
    return (TensorType(shape, x.dtype),)


def _borders(call: OpCall, size: Expr, kind: DType) -> tuple[Expr, Expr]:
    """Return the coordinates at which reflection mirrors."""
    if flag(call, "align_corners", default=False):
        return const(0, kind), real(size, kind) - 1.0
    return const(-0.5, kind), real(size, kind) - 0.5


def _coordinate(call: OpCall, size: Expr, value: Expr) -> Expr:
    """Return the position on an axis of ``size`` that a coordinate between -1 and 1 means."""
    length = real(size, value.dtype)
    aligned = flag(call, "align_corners", default=False)
    place = (value + 1.0) / 2.0 * (length - 1.0) if aligned else ((value + 1.0) * length - 1.0) / 2.0
    return intrin("round", place) if choice(call, "mode", _MODES, "linear") == "nearest" else place


def _padded(call: OpCall, size: Expr, place: Expr) -> Expr:
    """Return a float position brought inside as the padding says; cubic sampling does so for each tap only."""
    if choice(call, "mode", _MODES, "linear") == "cubic":
        return place
    low, high = _borders(call, size, place.dtype)
    match choice(call, "padding", _PADDINGS, "zeros"):
        case "border":
            clamped = maximum(minimum(place, real(size, place.dtype) - 1.0), const(0, place.dtype))
            return select((place < low) | (place > high), clamped, place)
        case "reflection":
            return reflected(place, low, high)
        case _:
            return place


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where to read along one axis, for every point of the grid: the position of each tap, and the fraction."""

    places: tuple[Buffer, ...]
    fraction: Buffer


def _axis(call: OpCall, builder: Compute, grid: Buffer, axis: int, size: Expr) -> _Axis:
    kind, last, points = wide(grid.dtype), call.args[0].rank - 3, grid.shape[:-1]
    raw = builder.compute(
        f"raw{axis}", points, lambda *i: _coordinate(call, size, at(grid, (*i, const(last - axis))).astype(kind))
    )
    place = builder.compute(f"place{axis}", points, lambda *i: _padded(call, size, at(raw, i)))
    lower = builder.compute(f"lower{axis}", points, lambda *i: floor_of(at(place, i)))
    fraction = builder.compute(f"fraction{axis}", points, lambda *i: at(place, i) - at(lower, i).astype(kind))
    offsets = _OFFSETS[choice(call, "mode", _MODES, "linear")]
    return _Axis(tuple(_tap(call, builder, lower, f"tap{axis}", offset, size) for offset in offsets), fraction)


def _tap(call: OpCall, builder: Compute, lower: Buffer, name: str, offset: int, size: Expr) -> Buffer:
    """Return the positions ``lower + offset``, brought inside if elements outside do not count as zero."""

    def value(*index: Expr) -> Expr:
        place = at(lower, index) + offset
        match choice(call, "padding", _PADDINGS, "zeros"):
            case "border":
                return nearest_inside(place, size)
            case "reflection":
                kind = wide(call.args[1].dtype)
                mirrored = reflected(place.astype(kind), *_borders(call, size, kind)).astype(INT64)
                return nearest_inside(mirrored, size)
            case _:
                return place

    return builder.compute(f"{name}_{offset + 1}", lower.shape, value)


def _element(call: OpCall, x: Buffer, batch: tuple[Expr, ...], kind: DType, places: tuple[Expr, ...]) -> Expr:
    """Return the element at ``places``; zero outside if the padding says so."""
    sizes = x.shape[2:]
    if choice(call, "padding", _PADDINGS, "zeros") != "zeros":
        return at(x, (*batch, *places)).astype(kind)
    index = [nearest_inside(place, size) for place, size in zip(places, sizes, strict=True)]
    value = at(x, (*batch, *index)).astype(kind)
    for place, size in zip(places, sizes, strict=True):
        value = select(inside(place, size), value, const(0, kind))
    return value


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x, grid) = start(call, "x", "grid")
    mode = choice(call, "mode", _MODES, "linear")
    axes = [_axis(call, builder, grid, axis, size) for axis, size in enumerate(x.shape[2:])]
    kind = wide(x.dtype) if x.dtype.is_float else wide(grid.dtype)

    def value(*index: Expr) -> Expr:
        batch, point = index[:2], (index[0], *index[2:])
        taps = [
            [
                Tap(at(place, point), weight.astype(kind))
                for place, weight in zip(axis.places, weights(mode, at(axis.fraction, point)), strict=True)
            ]
            for axis in axes
        ]
        return weighted_sum(taps, partial(_element, call, x, batch, kind)).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (Operator("grid_sample", _infer, _define, "elements at a grid of coordinates"),)
