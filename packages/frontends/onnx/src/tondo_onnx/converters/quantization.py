"""QuantizeLinear and DequantizeLinear: per tensor, per axis, and in blocks along an axis."""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import FLOAT32, INT32, UINT8, Const, DType
from tondo_onnx.build.dims import plains
from tondo_onnx.build.values import Value
from tondo_onnx.converters.elementwise import saturated
from tondo_onnx.nodes.site import Site, Versions, since
from tondo_onnx.read.types import dtype_of


def _axis(site: Site, x: Value) -> int:
    return site.axis(site.attributes.integer("axis", 1), x.rank) if x.rank > 1 else 0


def _one(site: Site, value: Value | None) -> Value | None:
    """Return a parameter of one element as a scalar, others as they are."""
    if value is not None and value.rank == 1 and isinstance(value.dims[0], Const) and value.dims[0].value == 1:
        return site.reshape(value, ())
    return value


def _quantize(site: Site) -> Value:
    x, scale, zero = site.arg(0), site.arg(1), site.optional(2)
    named = site.attributes.integer("output_dtype", 0)
    target = dtype_of(named, f"the result of {site.label}") if named else (UINT8 if zero is None else zero.dtype)
    if not target.is_integer and not target.is_float:
        site.invalid(f"it quantises to {target}")
    if not x.dtype.is_float:
        x = site.cast(x, FLOAT32)
    if scale.rank > 1:
        scale, zero = _blocks(site, x, scale), None if zero is None else _blocks(site, x, zero)
        return _quantized_elementwise(site, x, scale, zero, target)
    if target.bits < 8 or target.is_float:
        return _quantized_elementwise(
            site, x, _along(site, x, scale), None if zero is None else _along(site, x, zero), target
        )
    scale, zero = _one(site, scale) or scale, _one(site, zero)
    args = [x, scale] if zero is None else [x, scale, zero]
    return site.call("quantize_linear", *args, axis=_axis(site, x), dtype=target)


def _quantized_elementwise(site: Site, x: Value, scale: Value, zero: Value | None, target: DType) -> Value:
    steps = site.call("div", x, site.cast(scale, x.dtype))
    if target.is_float:
        moved = steps if zero is None else site.call("add", steps, site.cast(zero, x.dtype))
        return saturated(site, moved, target)
    steps = site.call("round", steps)
    if zero is not None:
        steps = site.call("add", steps, site.cast(site.cast(zero, INT32), x.dtype))
    signed = target.kind == "int"
    low, high = (-(1 << (target.bits - 1)), (1 << (target.bits - 1)) - 1) if signed else (0, (1 << target.bits) - 1)
    return site.cast(site.call("clip", steps, low=float(low), high=float(high)), target)


def _dequantize(site: Site) -> Value:
    x, scale, zero = site.arg(0), site.arg(1), site.optional(2)
    named = site.attributes.integer("output_dtype", 0)
    target = dtype_of(named, f"the result of {site.label}") if named else scale.dtype
    if x.dtype.is_integer and x.dtype.bits >= 8 and scale.rank <= 1:
        single, shift = _one(site, scale) or scale, _one(site, zero)
        args = [x, single] if shift is None else [x, single, shift]
        return site.cast(site.call("dequantize_linear", *args, axis=_axis(site, x)), target)
    spread = _blocks if scale.rank > 1 else _along
    wide = site.cast(x, INT32) if x.dtype.is_integer else site.cast(x, FLOAT32)
    if zero is not None and not (zero.numbers is not None and not zero.numbers.astype(np.float32).any()):
        wide = site.call("sub", wide, site.cast(spread(site, x, zero), wide.dtype))
    product = site.call("mul", site.cast(wide, FLOAT32), site.cast(spread(site, x, scale), FLOAT32))
    return site.cast(product, target)


def _along(site: Site, x: Value, param: Value) -> Value:
    """Return a parameter per element of an axis, shaped for broadcasting with ``x``."""
    single = _one(site, param) or param
    if single.rank == 0:
        return single
    return site.reshape(single, (*single.dims, *[1] * (x.rank - _axis(site, x) - 1)))


def _blocks(site: Site, x: Value, param: Value) -> Value:
    """Return a parameter per block of an axis, repeated to the shape of ``x``."""
    if param.rank != x.rank:
        site.invalid(f"the parameters have rank {param.rank}, the input has rank {x.rank}")
    axis = _axis(site, x)
    size = site.attributes.integer("block_size", 0)
    if size < 1:
        site.invalid("parameters of several dimensions need a block_size")
    before, after = param.dims[: axis + 1], param.dims[axis + 1 :]
    stretched = site.call(
        "expand", site.reshape(param, (*before, 1, *after)), shape=plains((*before, Const(size), *after))
    )
    rows = site.dims.product((before[-1], Const(size)))
    flat = site.reshape(stretched, (*before[:-1], rows, *after))
    if site.dims.same(rows, x.dims[axis]):
        return flat
    return site.call("slice", flat, axes=(axis,), starts=(0,), ends=plains((x.dims[axis],)), steps=(1,))


CONVERTERS: Final[dict[str, Versions]] = {
    "QuantizeLinear": since(_quantize),
    "DequantizeLinear": since(_dequantize),
}
