"""Convolution whose window is deformed: every element of the window is read at an offset of its own.

columns[n, c, k..., o...] = x[n, c, o * stride - pad + k * dilation + offset] * mask
y[n, m, o...] = sum over channels of the group and k of weight[m, c, k...] * columns + bias
"""

from __future__ import annotations

from functools import partial

from tondo.ir import Buffer, Const, Expr, OpCall, Operator, TensorFunction, TensorType, const, floordiv, select
from tondo_ops.sample.taps import Tap, floor_of, inside, nearest_inside, weighted_sum, weights
from tondo_ops.support.attributes import flag, integer, ints, refuse
from tondo_ops.support.dims import tidy
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import agree, count, one_dtype, start, want_float, want_rank, wide

_SPATIAL = 2


def _sizes(call: OpCall, name: str, default: int) -> tuple[int, int]:
    found = ints(call, name, (default,) * _SPATIAL)
    if len(found) != _SPATIAL:
        refuse(call, f"attribute '{name}' must have {_SPATIAL} entries")
    return found[0], found[1]


def _kernel(call: OpCall) -> tuple[int, int]:
    sizes = [int(extent.value) for extent in call.args[1].dims[2:] if isinstance(extent, Const)]
    if len(sizes) != _SPATIAL:
        refuse(call, "the window must have two known dimensions")
    return sizes[0], sizes[1]


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3, 5)
    x, weight, offset = call.args[:3]
    want_float(call, x)
    one_dtype(call)
    for value in (x, weight, offset):
        want_rank(call, value, 2 + _SPATIAL)
    for value in call.args[3:4]:
        want_rank(call, value, 1)
        agree(call, value.dims[0], weight.dims[0], "length of the bias and output channels")
    for value in call.args[4:]:
        want_rank(call, value, 2 + _SPATIAL)
    kernel = _kernel(call)
    for i, size in enumerate(kernel):
        agree(call, weight.dims[2 + i], Const(size), f"size {i} of the kernel")
    groups = integer(call, "offset_groups", 1)
    if groups < 1 or integer(call, "groups", 1) < 1:
        refuse(call, "numbers of groups must be positive")
    wanted = Const(groups * kernel[0] * kernel[1] * _SPATIAL)
    agree(call, offset.dims[1], wanted, "channels of the offsets")
    agree(call, x.dims[0], offset.dims[0], "batches")
    for value in call.args[4:]:
        taps = Const(groups * kernel[0] * kernel[1])
        for i, size in enumerate((offset.dims[0], taps, *offset.dims[2:])):
            agree(call, value.dims[i], size, f"dimension {i} of the mask")
    agree(call, x.dims[1], tidy(weight.dims[1] * integer(call, "groups", 1)), "channels of the input and the weights")
    for name, default in (("strides", 1), ("dilations", 1), ("pads", 0)):
        _sizes(call, name, default)
    return (TensorType((x.dims[0], weight.dims[0], *offset.dims[2:]), x.dtype),)


def _column(call: OpCall, x: Buffer, offset: Buffer, mask: Buffer | None, *index: Expr) -> Expr:
    """Return the element of the input that belongs to a channel, an element of the window and a result position."""
    batch, channel, kernel, out = index[0], index[1], index[2:4], index[4:]
    kind = wide(x.dtype)
    size = _kernel(call)
    per_group = tidy(floordiv(x.shape[1], Const(integer(call, "offset_groups", 1))))
    flat = (floordiv(channel, per_group) * size[0] + kernel[0]) * size[1] + kernel[1]
    strides, dilations, pads = (_sizes(call, *pair) for pair in (("strides", 1), ("dilations", 1), ("pads", 0)))
    axes: list[list[Tap]] = []
    for axis in range(_SPATIAL):
        fixed = out[axis] * strides[axis] - pads[axis] + kernel[axis] * dilations[axis]
        moved = fixed.astype(kind) + at(offset, (batch, flat * _SPATIAL + axis, *out)).astype(kind)
        lower = floor_of(moved)
        parts = weights("linear", moved - lower.astype(kind))
        axes.append([Tap(lower + i, weight) for i, weight in enumerate(parts)])
    value = weighted_sum(axes, partial(_inside_or_zero, x, batch, channel))
    return value if mask is None else value * at(mask, (batch, flat, *out)).astype(kind)


def _inside_or_zero(x: Buffer, batch: Expr, channel: Expr, places: tuple[Expr, ...]) -> Expr:
    kind = wide(x.dtype)
    sizes = x.shape[2:]
    index = [nearest_inside(place, size) for place, size in zip(places, sizes, strict=True)]
    value: Expr = at(x, (batch, channel, *index)).astype(kind)
    for place, size in zip(places, sizes, strict=True):
        value = select(inside(place, size), value, const(0, kind))
    return value


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x, weight, offset, *rest) = start(call, "x", "weight", "offset", "bias", "mask")
    has_bias = flag(call, "bias", default=False)
    bias = rest[0] if has_bias else None
    mask = rest[-1] if len(rest) > has_bias else None
    kernel = _kernel(call)
    columns = builder.compute(
        "columns", (*x.shape[:2], *kernel, *out.dims[2:]), lambda *i: _column(call, x, offset, mask, *i)
    )
    per_group = tidy(floordiv(out.dims[1], Const(integer(call, "groups", 1))))
    kind = columns.dtype

    def term(*index: Expr) -> Expr:
        (batch, channel, row, column), (depth, *inner) = index[:4], index[4:]
        source = floordiv(channel, per_group) * weight.shape[1] + depth
        factor = at(weight, (channel, depth, *inner)).astype(kind)
        return at(columns, (batch, source, *inner, row, column)) * factor

    total = reduction(builder, "total", out.dims, (weight.shape[1], *(Const(size) for size in kernel)), term)

    def result(*index: Expr) -> Expr:
        value: Expr = at(total, index)
        return (value if bias is None else value + at(bias, (index[1],)).astype(kind)).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, result))


OPERATORS: tuple[Operator, ...] = (Operator("deform_conv", _infer, _define, "convolution with offsets per element"),)
