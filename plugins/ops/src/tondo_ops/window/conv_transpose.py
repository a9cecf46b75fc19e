"""Transposed convolution of ``[N, C, spatial...]`` with weights ``[C, O/groups, kernel...]``.

The definition inserts ``stride - 1`` zeros between the elements and pads (one stage), then it is a convolution with
stride 1 whose taps run backwards through the data, so that the weights are read plainly; groups and bias as in
:mod:`tondo_ops.window.conv`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import (
    Buffer,
    Compute,
    Const,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    all_of,
    const,
    is_const,
    select,
)
from tondo_ops.support.attributes import integer, ints, refuse
from tondo_ops.support.dims import ZERO, tidy
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import agree, count, one_dtype, start, want_float, want_rank, wide
from tondo_ops.window.conv import finish
from tondo_ops.window.geometry import Geometry, read

_LEAD = 2


def _output_padding(call: OpCall, rank: int) -> tuple[int, ...]:
    result = ints(call, "output_padding", (0,) * rank)
    if len(result) != rank or min(result) < 0:
        refuse(call, "attribute 'output_padding' must hold one nonnegative integer per spatial dimension")
    return result


def _sizes(call: OpCall, geometry: Geometry, sizes: Sequence[Expr]) -> tuple[Expr, ...]:
    more = _output_padding(call, geometry.rank)
    result: list[Expr] = []
    for i, size in enumerate(sizes):
        span = (geometry.kernel[i] - 1) * geometry.dilations[i] + 1
        full = (size - 1) * geometry.strides[i] + span + more[i]
        result.append(tidy(full - geometry.before[i] - geometry.after[i]))
    return tuple(result)


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2, 3)
    dtype = one_dtype(call)
    x, w = call.args[:2]
    want_float(call, x)
    want_rank(call, x, _LEAD + 1, _LEAD + 3)
    want_rank(call, w, x.rank)
    agree(call, w.dims[0], x.dims[1], "channels of the weights and of the input")
    groups = integer(call, "groups", 1)
    if groups < 1 or (isinstance(x.dims[1], Const) and x.dims[1].value % groups):
        refuse(call, f"{groups} groups do not divide the channels")
    channels = tidy(w.dims[1] * groups)
    if len(call.args) > 2:
        want_rank(call, call.args[2], 1)
        agree(call, call.args[2].dims[0], channels, "length of the bias and output channels")
    geometry = read(call, w.dims[_LEAD:])
    return (TensorType((x.dims[0], channels, *_sizes(call, geometry, x.dims[_LEAD:])), dtype),)


def _spread(builder: Compute, x: Buffer, geometry: Geometry, sizes: Sequence[Expr]) -> tuple[Buffer, list[Expr]]:
    """Return ``x`` with zeros between and around its elements, and the position of element 0 per dimension.

    Position ``p`` of the stage holds element ``(p - begin) / stride``; output ``i`` and tap ``k`` meet at
    ``i + (kernel - 1 - k) * dilation``.
    """
    rank = geometry.rank
    spans = [tidy((geometry.kernel[i] - 1) * geometry.dilations[i]) for i in range(rank)]
    begins = [tidy(spans[i] - geometry.before[i]) for i in range(rank)]
    shape = tuple(tidy(sizes[i] + spans[i]) for i in range(rank))
    if (
        all(stride == 1 for stride in geometry.strides)
        and all(is_const(begin, 0) for begin in begins)
        and shape == x.shape[_LEAD:]
    ):
        return x, begins

    def value(*index: Expr) -> Expr:
        inside: list[Expr] = []
        own: list[Expr] = []
        for position, begin, stride, size in zip(index[_LEAD:], begins, geometry.strides, x.shape[_LEAD:], strict=True):
            moved = position - begin
            inside.append(moved >= ZERO)
            inside.append(moved < tidy((size - 1) * stride + 1))
            if stride > 1:
                inside.append((moved % stride).eq(0))
            own.append(moved // stride)
        condition = all_of(inside)
        load = at(x, (*index[:_LEAD], *own))
        return load if condition is None else select(condition, load, const(0, x.dtype))

    return builder.compute("spread", (*x.shape[:_LEAD], *shape), value), begins


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x, w, *bias) = start(call, "x", "w", "bias")
    geometry = read(call, w.shape[_LEAD:])
    data, _ = _spread(builder, x, geometry, out.dims[_LEAD:])
    groups = integer(call, "groups", 1)
    if groups == 1:
        return builder.build(finish(builder, _contraction(builder, data, w, out, geometry), bias, out))
    grouped = _grouped(builder, data, w, out, geometry, groups)
    per_group = w.shape[1]

    def value(*index: Expr) -> Expr:
        channel = index[1]
        element = at(grouped, (index[0], channel // per_group, channel % per_group, *index[_LEAD:]))
        return (element + at(bias[0], (channel,)).astype(element.dtype) if bias else element).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


def _taps(geometry: Geometry, positions: Sequence[Expr], taps: Sequence[Expr]) -> tuple[Expr, ...]:
    items = zip(positions, taps, geometry.kernel, geometry.dilations, strict=True)
    return tuple(position + (kernel - 1 - tap) * dilation for position, tap, kernel, dilation in items)


def _contraction(builder: Compute, data: Buffer, w: Buffer, out: TensorType, geometry: Geometry) -> Buffer:
    dtype, rank = wide(out.dtype), geometry.rank

    def value(*index: Expr) -> Expr:
        n, o = index[:_LEAD]
        positions, c, taps = index[_LEAD : _LEAD + rank], index[_LEAD + rank], index[_LEAD + rank + 1 :]
        left = at(data, (n, c, *_taps(geometry, positions, taps)))
        return left.astype(dtype) * at(w, (c, o, *taps)).astype(dtype)

    return reduction(builder, "conv", out.dims, (w.shape[0], *geometry.kernel), value)


def _grouped(builder: Compute, data: Buffer, w: Buffer, out: TensorType, geometry: Geometry, groups: int) -> Buffer:
    dtype, rank = wide(out.dtype), geometry.rank
    depth = tidy(w.shape[0] // groups)

    def value(*index: Expr) -> Expr:
        n, g, o = index[:3]
        positions, c, taps = index[3 : 3 + rank], index[3 + rank], index[4 + rank :]
        left = at(data, (n, g * depth + c, *_taps(geometry, positions, taps)))
        return left.astype(dtype) * at(w, (g * depth + c, o, *taps)).astype(dtype)

    shape = (out.dims[0], Const(groups), w.shape[1], *out.dims[_LEAD:])
    return reduction(builder, "conv", shape, (depth, *geometry.kernel), value)


OPERATORS: tuple[Operator, ...] = (
    Operator("conv_transpose", _infer, _define, "transposed convolution with optional bias, 1 to 3 spatial dimensions"),
)
