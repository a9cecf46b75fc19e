"""Resampling to other sizes: nearest neighbour, linear, cubic.

Coordinates depend on one axis at a time, so they are computed once per axis (in float32): a stage of source positions,
and for linear and cubic one of fractions. Linear and cubic interpolate one axis after the other. Whole
nearest-neighbour enlargements need no stage, their index is a quotient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from tondo.ir import (
    BOOL,
    FLOAT32,
    INT64,
    Buffer,
    Compute,
    Const,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    const,
    intrin,
    logical_or,
    select,
)
from tondo_ops.movement.antialias import antialiased
from tondo_ops.movement.resample import COORDINATES, Axis, axes_of_resize, coordinate, crops, inside_of, real
from tondo_ops.support.attributes import choice, extents, flag, number, refuse
from tondo_ops.support.dims import same
from tondo_ops.support.indices import at, replaced
from tondo_ops.support.typing import agree, count, start, want_elements, want_float, want_numeric, want_rank, wide

_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1, 3)
    x = call.args[0]
    want_numeric(call, x)
    for length, given in zip((x.rank, 2 * x.rank), call.args[1:], strict=False):
        want_float(call, given)
        want_rank(call, given, 1)
        agree(call, given.dims[0], const(length), "length of the scales or the region")
    sizes = extents(call, "sizes")
    if len(sizes) != x.rank:
        refuse(call, f"attribute 'sizes' has {len(sizes)} items, {x.rank} are needed")
    choice(call, "mode", ("nearest", "linear", "cubic"), "nearest")
    choice(call, "nearest", _NEAREST, "round_prefer_floor")
    axes_of_resize(call, x, sizes)
    if flag(call, "antialias", default=False) and len(extents(call, "taps")) != x.rank:
        refuse(call, "attribute 'taps' needs an item per dimension")
    want_elements(call, x.dims, sizes)
    return (TensorType(sizes, x.dtype),)


def _rounded(mode: str, value: Expr) -> Expr:
    match mode:
        case "round_prefer_floor":
            return intrin("ceil", value - 0.5)
        case "round_prefer_ceil":
            return intrin("floor", value + 0.5)
        case _:
            return intrin(mode, value)


def _factor(call: OpCall, axis: Axis) -> int | None:
    """Return k if the nearest source of position i is exactly ``i // k``."""
    if isinstance(axis.scale, Expr):
        return None
    if not (isinstance(axis.size, Const) and isinstance(axis.result, Const)) or axis.size.value == 0:
        factor = axis.scale if axis.scale is not None and same(axis.result, axis.size * math.floor(axis.scale)) else 0.0
    else:
        factor = axis.result.value / axis.size.value
    if factor < 1 or factor != int(factor) or axis.scale not in {None, factor}:
        return None
    kind = choice(call, "coordinates", COORDINATES, "half_pixel")
    rounding = choice(call, "nearest", _NEAREST, "round_prefer_floor")
    centred = kind == "half_pixel" and rounding in {"round_prefer_floor", "round_prefer_ceil"}
    return int(factor) if centred or (kind == "asymmetric" and rounding == "floor") else None


def _place(call: OpCall, rounding: str, item: Axis, position: Expr) -> Expr:
    """Return the source position nearest to the source coordinate of a result position."""
    return inside_of(_rounded(rounding, coordinate(call, item, position)).astype(INT64), item.size)


def _outside(call: OpCall, item: Axis, position: Expr) -> Expr:
    """Return whether the source coordinate of a result position lies outside the input."""
    place = coordinate(call, item, position)
    return logical_or(place < 0.0, place > real(item.size) - 1.0)


def _nearest(call: OpCall, builder: Compute, x: Buffer, out: TensorType, axes: Sequence[Axis]) -> Buffer:
    rounding = choice(call, "nearest", _NEAREST, "round_prefer_floor")
    factors = {item.axis: _factor(call, item) for item in axes}
    tables = {
        item.axis: builder.compute(f"place{item.axis}", (item.result,), partial(_place, call, rounding, item))
        for item in axes
        if factors[item.axis] is None
    }

    def source(axis: int, position: Expr) -> Expr:
        if axis in tables:
            return inside_of(at(tables[axis], (position,)), x.shape[axis])
        return position // (factors.get(axis) or 1)

    return builder.compute("y", out.dims, lambda *i: at(x, [source(axis, position) for axis, position in enumerate(i)]))


def _weights(call: OpCall, fraction: Expr) -> list[Expr]:
    """Return the weights of the taps around a position, for its fraction behind the left (middle left) tap."""
    if choice(call, "mode", ("nearest", "linear", "cubic"), "nearest") == "linear":
        return [1.0 - fraction, fraction]
    a = number(call, "cubic_coeff", -0.75)

    def far(t: Expr) -> Expr:
        return ((t * a - 5 * a) * t + 8 * a) * t - 4 * a

    def near(t: Expr) -> Expr:
        return (t * (a + 2) - (a + 3)) * t * t + 1.0

    return [far(fraction + 1.0), near(fraction), near(1.0 - fraction), far(2.0 - fraction)]


def _interpolated(call: OpCall, builder: Compute, x: Buffer, item: Axis) -> Buffer:
    """Return ``x`` resampled along one axis."""
    axis, size = item.axis, item.size
    lower = builder.compute(
        f"lower{axis}", (item.result,), lambda *i: intrin("floor", coordinate(call, item, i[0])).astype(INT64)
    )
    fraction = builder.compute(
        f"fraction{axis}", (item.result,), lambda *i: coordinate(call, item, i[0]) - at(lower, i).astype(FLOAT32)
    )
    cubic = choice(call, "mode", ("nearest", "linear", "cubic"), "nearest") == "cubic"
    excluded = cubic and flag(call, "exclude_outside", default=False)

    def value(*index: Expr) -> Expr:
        first = at(lower, (index[axis],)) - (1 if cubic else 0)
        weights = _weights(call, at(fraction, (index[axis],)))
        taps = [first + i for i in range(len(weights))]
        if excluded:
            zero = const(0, FLOAT32)
            weights = [select((tap >= 0) & (tap < size), w, zero) for tap, w in zip(taps, weights, strict=True)]
            whole = sum(weights[1:], weights[0])
            weights = [weight / whole for weight in weights]
        terms = [
            at(x, replaced(index, axis, inside_of(tap, size))) * weight.astype(x.dtype)
            for tap, weight in zip(taps, weights, strict=True)
        ]
        return sum(terms[1:], terms[0])

    return builder.compute(f"along{axis}", replaced(x.shape, axis, item.result), value)


def _extrapolated(call: OpCall, builder: Compute, y: Buffer, axes: Sequence[Axis]) -> Buffer:
    """Return ``y`` with the elements replaced whose source lies outside the input."""
    outside = [
        (item.axis, builder.compute(f"outside{item.axis}", (item.result,), partial(_outside, call, item), BOOL))
        for item in axes
    ]

    def value(*index: Expr) -> Expr:
        result: Expr = at(y, index)
        for axis, table in outside:
            result = select(at(table, (index[axis],)), const(number(call, "extrapolation", 0.0), y.dtype), result)
        return result

    return builder.compute("inside", y.shape, value)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x, *given) = start(call, "x", "scales", "roi")
    axes = axes_of_resize(call, call.args[0], out.dims, *given)
    if choice(call, "mode", ("nearest", "linear", "cubic"), "nearest") == "nearest":
        result = _nearest(call, builder, x, out, axes)
    else:
        work = wide(x.dtype) if x.dtype.is_float else FLOAT32
        result = x if x.dtype == work and axes else builder.compute("wide", x.shape, lambda *i: at(x, i).astype(work))
        smooth = flag(call, "antialias", default=False)
        for item in axes:
            result = (antialiased if smooth else _interpolated)(call, builder, result, item)
    if crops(call) and axes:
        result = _extrapolated(call, builder, result, axes)
    if result.dtype != out.dtype:
        last = result
        result = builder.compute("narrow", out.dims, lambda *i: at(last, i).astype(out.dtype))
    return builder.build(result)


OPERATORS: tuple[Operator, ...] = (Operator("resize", _infer, _define, "resampled to other sizes"),)
