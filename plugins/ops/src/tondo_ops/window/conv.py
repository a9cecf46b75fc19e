"""Convolution of ``[N, C, spatial...]`` with weights ``[O, C/groups, kernel...]``.

The definition is: a pad stage (if anything is padded), one contraction with affine indices, and, if there is a bias
or the sum is wider than the result, an elementwise stage. With groups of more than one output channel the
contraction has an axis for the group and a last stage merges it with the channel axis; a depthwise convolution needs
no such stage.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Buffer, Compute, Const, DType, Expr, OpCall, Operator, TensorFunction, TensorType, const, is_const
from tondo_ops.support.attributes import element_type, integer, refuse
from tondo_ops.support.dims import tidy
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import agree, count, start, want_integer, want_rank, wide
from tondo_ops.window.geometry import Geometry, padded_stage, read

_LEAD = 2
"""Dimensions before the spatial ones."""


def out_dtype(call: OpCall, a: TensorType, b: TensorType) -> DType:
    """Return the result dtype of a sum of products: that of ``a``, or ``out_dtype``, which integers may widen to."""
    result = element_type(call, "out_dtype", a.dtype)
    if result == a.dtype == b.dtype:
        return result
    if a.dtype.is_float and result.is_float and a.dtype == b.dtype:
        return result
    want_integer(call, a)
    want_integer(call, b)
    if not result.is_integer:
        refuse(call, f"a product of {a.dtype} and {b.dtype} cannot be {result}")
    return result


def _check(call: OpCall, channels: Expr, bias_size: Expr) -> int:
    """Return the number of groups; refuse channels that do not divide into them and a wrong bias."""
    groups = integer(call, "groups", 1)
    if groups < 1 or (isinstance(channels, Const) and channels.value % groups):
        refuse(call, f"{groups} groups do not divide the channels")
    if len(call.args) > 2:
        want_rank(call, call.args[2], 1)
        agree(call, call.args[2].dims[0], bias_size, "length of the bias and output channels")
    return groups


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2, 3)
    x, w = call.args[:2]
    want_rank(call, x, _LEAD + 1, _LEAD + 3)
    want_rank(call, w, x.rank)
    groups = _check(call, x.dims[1], w.dims[0])
    if isinstance(w.dims[0], Const) and w.dims[0].value % groups:
        refuse(call, f"{groups} groups do not divide the output channels")
    agree(call, tidy(w.dims[1] * groups), x.dims[1], "channels of the weights (times groups) and of the input")
    dtype = out_dtype(call, x, w)
    if len(call.args) > 2 and call.args[2].dtype != dtype:
        refuse(call, f"the bias has dtype {call.args[2].dtype}, the result {dtype}")
    sizes = read(call, w.dims[_LEAD:]).output(call, x.dims[_LEAD:])
    return (TensorType((x.dims[0], w.dims[0], *sizes), dtype),)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x, w, *bias) = start(call, "x", "w", "bias")
    geometry = read(call, w.shape[_LEAD:])
    data = padded_stage(builder, x, geometry, const(0, x.dtype))
    groups = integer(call, "groups", 1)
    per_group = tidy(w.shape[0] // groups)
    if groups == 1 or is_const(per_group, 1):
        result = _plain(builder, data, w, out, geometry, groups)
        return builder.build(finish(builder, result, bias, out))
    return builder.build(_merge(builder, _grouped(builder, data, w, out, geometry, groups), bias, out, per_group))


def _plain(builder: Compute, data: Buffer, w: Buffer, out: TensorType, geometry: Geometry, groups: int) -> Buffer:
    """The contraction without groups, or with one output channel per group."""
    dtype = wide(out.dtype)
    depth, rank = w.shape[1], geometry.rank
    depthwise = groups > 1

    def value(*index: Expr) -> Expr:
        n, o = index[:_LEAD]
        positions, c, taps = index[_LEAD : _LEAD + rank], index[_LEAD + rank], index[_LEAD + rank + 1 :]
        left = at(data, (n, o * depth + c if depthwise else c, *geometry.source(positions, taps)))
        return left.astype(dtype) * at(w, (o, c, *taps)).astype(dtype)

    return reduction(builder, "conv", out.dims, (depth, *geometry.kernel), value)


def _grouped(builder: Compute, data: Buffer, w: Buffer, out: TensorType, geometry: Geometry, groups: int) -> Buffer:
    """The contraction with an axis for the group: ``[N, G, O/G, spatial...]``."""
    dtype = wide(out.dtype)
    depth, per_group, rank = w.shape[1], tidy(w.shape[0] // groups), geometry.rank

    def value(*index: Expr) -> Expr:
        n, g, o = index[:3]
        positions, c, taps = index[3 : 3 + rank], index[3 + rank], index[4 + rank :]
        left = at(data, (n, g * depth + c, *geometry.source(positions, taps)))
        return left.astype(dtype) * at(w, (g * per_group + o, c, *taps)).astype(dtype)

    shape = (out.dims[0], Const(groups), per_group, *out.dims[_LEAD:])
    return reduction(builder, "conv", shape, (depth, *geometry.kernel), value)


def _merge(builder: Compute, grouped: Buffer, bias: Sequence[Buffer], out: TensorType, per_group: Expr) -> Buffer:
    """Join the axes of group and channel, and add the bias."""

    def value(*index: Expr) -> Expr:
        channel = index[1]
        element = at(grouped, (index[0], channel // per_group, channel % per_group, *index[_LEAD:]))
        total = element + at(bias[0], (channel,)).astype(element.dtype) if bias else element
        return total.astype(out.dtype)

    return builder.compute("y", out.dims, value)


def finish(builder: Compute, total: Buffer, bias: Sequence[Buffer], out: TensorType) -> Buffer:
    """Return ``total`` plus the bias of its channel in the dtype of ``out``; ``total`` itself if nothing is to do."""
    if not bias and total.dtype == out.dtype:
        return total

    def value(*index: Expr) -> Expr:
        element = at(total, index)
        return (element + at(bias[0], (index[1],)).astype(total.dtype) if bias else element).astype(out.dtype)

    return builder.compute("y", out.dims, value)


OPERATORS: tuple[Operator, ...] = (
    Operator("conv", _infer, _define, "convolution with optional bias, 1 to 3 spatial dimensions"),
)
