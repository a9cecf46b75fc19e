"""Convolutions, also of integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tondo.ir import FLOAT32, INT32, Const, Expr
from tondo_onnx.build.dims import static
from tondo_onnx.build.values import Value
from tondo_onnx.converters.window import auto_pad, window_of
from tondo_onnx.nodes.site import Site, Versions, since


def _kernel(site: Site, weight: Value) -> tuple[int, ...]:
    found = static(weight.dims[2:])
    if found is None:
        site.refuse("weights of symbolic shape")
    return site.attributes.ints_or("kernel_shape", found)


def _attrs(site: Site, x: Value, weight: Value) -> dict[str, object]:
    if x.rank < 3 or weight.rank != x.rank:
        site.invalid(f"the input has rank {x.rank}, the weights have rank {weight.rank}")
    window = window_of(site, _kernel(site, weight), x.dims[2:])
    return {
        "strides": window.strides, "dilations": window.dilations, "pads": window.pads,
        "groups": site.attributes.integer("group", 1),
    }  # fmt: skip


def _conv(site: Site) -> Value:
    x, weight, bias = site.arg(0), site.arg(1), site.optional(2)
    attrs = _attrs(site, x, weight)
    return site.call("conv", x, weight, *([bias] if bias is not None else []), **attrs)


def _conv_transpose(site: Site) -> Value:
    x, weight, bias = site.arg(0), site.arg(1), site.optional(2)
    spatial, kernel = x.dims[2:], _kernel(site, weight)
    if weight.rank != x.rank:
        site.invalid(f"the input has rank {x.rank}, the weights have rank {weight.rank}")
    ones, zeros = [1] * len(spatial), [0] * len(spatial)
    strides = site.attributes.ints_or("strides", ones)
    dilations = site.attributes.ints_or("dilations", ones)
    extra = list(site.attributes.ints_or("output_padding", zeros))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads, extra = _transposed_pads(site, spatial, strides, reach, extra)
    return site.call(
        "conv_transpose", x, weight, *([bias] if bias is not None else []),
        strides=strides, dilations=dilations, pads=pads, output_padding=extra,
        groups=site.attributes.integer("group", 1),
    )  # fmt: skip


def _transposed_pads(
    site: Site, spatial: Sequence[Expr], strides: Sequence[int], reach: Sequence[int], extra: list[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return pads and output padding; they follow from the output's shape if that is given or asked to be SAME."""
    rank, mode = len(spatial), auto_pad(site)
    wanted = site.attributes.ints("output_shape")
    if wanted is None and mode not in {"SAME_UPPER", "SAME_LOWER"}:
        pads = (0,) * (2 * rank) if mode == "VALID" else site.attributes.ints_or("pads", [0] * (2 * rank))
        return pads, tuple(extra)
    begin, end = [0] * rank, [0] * rank
    for axis in range(rank):
        if wanted is None:
            total = extra[axis] + reach[axis] - strides[axis]
        else:
            size = spatial[axis]
            if not isinstance(size, Const):
                site.refuse("output_shape with a symbolic dimension")
            total = (
                strides[axis] * (int(size.value) - 1) + extra[axis] + reach[axis] - wanted[len(wanted) - rank + axis]
            )
        if total < 0:
            extra[axis] -= total
            total = 0
        half = total // 2
        begin[axis], end[axis] = (half, total - half) if mode == "SAME_UPPER" else (total - half, half)
    return (*begin, *end), tuple(extra)


def shifted(site: Site, x: Value, zero: Value | None, channel_axis: int) -> Value:
    """Return the integers ``x - zero`` as int32; a zero point per channel belongs to ``channel_axis``."""
    if zero is None or (zero.numbers is not None and not zero.numbers.any()):
        return x
    wide = site.cast(zero, INT32)
    if zero.rank == 1 and not (isinstance(zero.dims[0], Const) and zero.dims[0].value == 1):
        wide = site.reshape(wide, (*zero.dims, *[1] * (x.rank - channel_axis - 1)))
    elif zero.rank == 1:
        wide = site.reshape(wide, ())
    return site.call("sub", site.cast(x, INT32), wide)


def unify(site: Site, a: Value, b: Value) -> tuple[Value, Value]:
    """Return both integers in types that a product takes: unchanged, or both int32."""
    return (a, b) if INT32 not in {a.dtype, b.dtype} else (site.cast(a, INT32), site.cast(b, INT32))


def _integer_conv(site: Site, x: Value, weight: Value, x_zero: Value | None, w_zero: Value | None) -> Value:
    attrs = _attrs(site, x, weight)
    a, b = unify(site, shifted(site, x, x_zero, 1), shifted(site, weight, w_zero, 0))
    return site.call("conv", a, b, **attrs, out_dtype=INT32)


def _conv_integer(site: Site) -> Value:
    return _integer_conv(site, site.arg(0), site.arg(1), site.optional(2), site.optional(3))


def _qlinear_conv(site: Site) -> Value:
    """Convert QLinearConv: an exact integer convolution, its sum scaled and rounded once."""
    x, x_scale, x_zero, weight, w_scale, w_zero, y_scale, y_zero = (site.arg(position) for position in range(8))
    total = _integer_conv(site, x, weight, x_zero, w_zero)
    ones = [1] * (x.rank - 2)
    bias = site.optional(8)
    if bias is not None:
        total = site.call("add", total, site.reshape(bias, (*bias.dims, *ones)))
    return requantized(site, total, x_scale, channel(site, w_scale, ones), y_scale, y_zero)


def channel(site: Site, scale: Value, ones: Sequence[int]) -> Value:
    """Return a scale per channel shaped for broadcasting with ``ones`` dimensions behind the channels."""
    return site.reshape(scale, (*scale.dims, *ones)) if scale.rank == 1 else scale


def requantized(site: Site, total: Value, a_scale: Value, b_scale: Value, y_scale: Value, y_zero: Value) -> Value:
    """Return the integer ``total`` times both scales as a quantised tensor."""
    scale = site.call("mul", site.cast(a_scale, FLOAT32), site.cast(b_scale, FLOAT32))
    real = site.call("mul", site.cast(total, FLOAT32), scale)
    scalar, zero = (site.reshape(value, ()) if value.rank == 1 else value for value in (y_scale, y_zero))
    return site.call("quantize_linear", real, site.cast(scalar, FLOAT32), zero, dtype=y_zero.dtype)


CONVERTERS: Final[dict[str, Versions]] = {
    "Conv": since(_conv),
    "ConvTranspose": since(_conv_transpose),
    "ConvInteger": since(_conv_integer),
    "QLinearConv": since(_qlinear_conv),
}
