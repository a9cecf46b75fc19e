"""Pooling over sliding windows of ``[N, C, spatial...]``: maximum, average, Lp norm.

The definition is: a pad stage (if anything is padded), one reduction over the window with affine indices, and for
averages and norms an elementwise stage. Maximum: with ``indices`` a second reduction finds the place of the first
maximum of each window.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import (
    INT64,
    Buffer,
    Compute,
    Const,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    ceildiv,
    const,
    identity,
    intrin,
    is_const,
    maximum,
    minimum,
    select,
)
from tondo_ops.elementwise.power import power
from tondo_ops.elementwise.unary import absolute
from tondo_ops.support.attributes import extents, flag, number, refuse
from tondo_ops.support.dims import ONE, ZERO, product, tidy
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import count, start, want_float, want_numeric, want_rank, wide
from tondo_ops.window.geometry import Geometry, padded_stage, read

_LEAD = 2


def _geometry(call: OpCall) -> Geometry:
    (x,) = call.args
    kernel = extents(call, "kernel")
    if len(kernel) != x.rank - _LEAD:
        refuse(call, f"attribute 'kernel' has {len(kernel)} items, {x.rank - _LEAD} are needed")
    if any(isinstance(taps, Const) and taps.value < 1 for taps in kernel):
        refuse(call, "attribute 'kernel' must hold positive sizes")
    return read(call, kernel)


def _shape(call: OpCall) -> tuple[Expr, ...]:
    count(call, 1)
    (x,) = call.args
    want_rank(call, x, _LEAD + 1, _LEAD + 3)
    return (*x.dims[:_LEAD], *_geometry(call).output(call, x.dims[_LEAD:]))


def _infer_max(call: OpCall) -> tuple[TensorType, ...]:
    shape = _shape(call)
    want_numeric(call, call.args[0])
    values = TensorType(shape, call.args[0].dtype)
    return (values, TensorType(shape, INT64)) if flag(call, "indices", default=False) else (values,)


def _infer_float(call: OpCall) -> tuple[TensorType, ...]:
    shape = _shape(call)
    want_float(call, call.args[0])
    return (TensorType(shape, call.args[0].dtype),)


def _window(data: Buffer, geometry: Geometry, index: Sequence[Expr]) -> Expr:
    """Return the element of ``data`` at ``index``: batch, channel, positions, taps."""
    cut = _LEAD + geometry.rank
    return at(data, (*index[:_LEAD], *geometry.source(index[_LEAD:cut], index[cut:])))


def _define_max(call: OpCall) -> TensorFunction:
    out = _infer_max(call)
    builder, (x,) = start(call, "x")
    geometry = _geometry(call)
    data = padded_stage(builder, x, geometry, identity("max", x.dtype))
    y = reduction(builder, "y", out[0].dims, geometry.kernel, lambda *i: _window(data, geometry, i), "max")
    if len(out) == 1:
        return builder.build(y)
    return builder.build(y, _places(call, builder, x, data, y, geometry))


def _places(call: OpCall, builder: Compute, x: Buffer, data: Buffer, y: Buffer, geometry: Geometry) -> Buffer:
    """The flat index into ``x`` of the first element of each window that equals the maximum."""
    cut = _LEAD + geometry.rank
    order = [0, 1, *range(_LEAD, x.rank)]
    if flag(call, "column_major", default=False):
        order = [0, 1, *reversed(range(_LEAD, x.rank))]

    def flat(index: Sequence[Expr]) -> Expr:
        source = geometry.source(index[_LEAD:cut], index[cut:])
        own = (*index[:_LEAD], *(place - before for place, before in zip(source, geometry.before, strict=True)))
        result: Expr = ZERO
        for axis in order:
            result = result * x.shape[axis] + own[axis]
        return result

    def value(*index: Expr) -> Expr:
        found = _window(data, geometry, index).eq(at(y, index[:cut]))
        return select(found, flat(index), product(x.shape))

    return reduction(builder, "indices", y.shape, geometry.kernel, value, "min")


def _counted(call: OpCall, sizes: Sequence[Expr], geometry: Geometry, positions: Sequence[Expr]) -> Expr:
    """Return how many taps of the windows at ``positions`` count in the average."""
    with_pad = flag(call, "count_include_pad", default=False)
    result: Expr = ONE
    for i, position in enumerate(positions):
        rounded = not is_const(geometry.extra[i], 0)
        unpadded = is_const(geometry.before[i], 0) and is_const(geometry.after[i], 0)
        if not rounded and (with_pad or unpadded):
            result = result * geometry.kernel[i]
            continue
        first = ZERO if with_pad else geometry.before[i]
        last = tidy(sizes[i] + geometry.before[i] + (geometry.after[i] if with_pad else ZERO))
        begin = position * geometry.strides[i]
        skipped = ZERO if is_const(first, 0) else ceildiv(maximum(first - begin, ZERO), geometry.dilations[i])
        reached = minimum(geometry.kernel[i], ceildiv(last - begin, geometry.dilations[i]))
        result = result * (reached - skipped)
    return result


def _define_average(call: OpCall) -> TensorFunction:
    (out,) = _infer_float(call)
    builder, (x,) = start(call, "x")
    geometry = _geometry(call)
    dtype = wide(x.dtype)
    data = padded_stage(builder, x, geometry, const(0, x.dtype))
    total = reduction(builder, "total", out.dims, geometry.kernel, lambda *i: _window(data, geometry, i).astype(dtype))

    def value(*index: Expr) -> Expr:
        taps = _counted(call, x.shape[_LEAD:], geometry, index[_LEAD:])
        if isinstance(taps, Const):
            return (at(total, index) * (1 / taps.value)).astype(out.dtype)
        return (at(total, index) / maximum(taps, ONE).astype(dtype)).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


def _define_lp(call: OpCall) -> TensorFunction:
    (out,) = _infer_float(call)
    builder, (x,) = start(call, "x")
    geometry = _geometry(call)
    p, dtype = number(call, "p", 2), wide(x.dtype)
    if p < 1:
        refuse(call, "attribute 'p' must be at least 1")
    data = padded_stage(builder, x, geometry, const(0, x.dtype))

    def term(*index: Expr) -> Expr:
        return power(absolute(_window(data, geometry, index).astype(dtype)), p)

    total = reduction(builder, "total", out.dims, geometry.kernel, term)
    return builder.build(builder.compute("y", out.dims, lambda *i: root(at(total, i), p).astype(out.dtype)))


def root(x: Expr, p: float) -> Expr:
    """Return the ``p``-th root of ``x``."""
    if p == 1:
        return x
    return intrin("sqrt", x) if p == 2 else intrin("pow", x, const(1 / p, x.dtype))


OPERATORS: tuple[Operator, ...] = (
    Operator("max_pool", _infer_max, _define_max, "largest element of each window, and its place"),
    Operator("average_pool", _infer_float, _define_average, "mean of each window"),
    Operator("lp_pool", _infer_float, _define_lp, "p-norm of each window"),
)
