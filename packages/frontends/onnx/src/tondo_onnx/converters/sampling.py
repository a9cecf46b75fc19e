"""Sampling at coordinates: GridSample, RoiAlign, MaxRoiPool, DeformConv."""

from __future__ import annotations

from typing import Final

from tondo_onnx.build.dims import static
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site, Versions, since

_MODES: Final = {"bilinear": "linear", "bicubic": "cubic"}
_MOST_SAMPLES: Final = 1024
"""Work grows with its square."""
_HALF_PIXEL: Final = 16
"""Operator set from which on RoiAlign shifts coordinates by half a pixel unless told otherwise."""


def _grid_sample(site: Site) -> Value:
    mode = site.attributes.text("mode", "linear")
    return site.call(
        "grid_sample", site.arg(0), site.arg(1), mode=_MODES.get(mode, mode),
        padding=site.attributes.text("padding_mode", "zeros"), align_corners=site.attributes.flag("align_corners"),
    )  # fmt: skip


def _roi_align(site: Site) -> Value:
    attributes = site.attributes
    samples = attributes.integer("sampling_ratio", 0)
    if samples > _MOST_SAMPLES:
        site.refuse(f"a sampling_ratio of {samples}, which is more than {_MOST_SAMPLES}")
    transformation = attributes.text(
        "coordinate_transformation_mode", "half_pixel" if site.version >= _HALF_PIXEL else "output_half_pixel"
    )
    return site.call(
        "roi_align", *(site.arg(position) for position in range(3)), mode=attributes.text("mode", "avg").lower(),
        height=attributes.integer("output_height", 1), width=attributes.integer("output_width", 1),
        samples=samples, scale=attributes.number("spatial_scale", 1.0),
        half_pixel=transformation == "half_pixel",
    )  # fmt: skip


def _max_roi_pool(site: Site) -> Value:
    shape = site.attributes.ints("pooled_shape")
    if shape is None or len(shape) != 2:
        site.invalid("pooled_shape must have two entries")
    scale = site.attributes.number("spatial_scale", 1.0)
    return site.call("roi_max_pool", site.arg(0), site.arg(1), height=shape[0], width=shape[1], scale=scale)


def _deform_conv(site: Site) -> Value:
    x, weight, offset, bias, mask = (site.arg(0), site.arg(1), site.arg(2), site.optional(3), site.optional(4))
    if x.rank != 4:
        site.refuse(f"an input of rank {x.rank}")
    kernel = static(weight.dims[2:])
    if kernel is None:
        site.refuse("weights of symbolic shape")
    pads = site.attributes.ints_or("pads", [0] * 4)
    args = [value for value in (x, weight, offset, bias, mask) if value is not None]
    return site.call(
        "deform_conv", *args, bias=bias is not None, strides=site.attributes.ints_or("strides", [1, 1]),
        dilations=site.attributes.ints_or("dilations", [1, 1]), pads=pads[:2],
        groups=site.attributes.integer("group", 1), offset_groups=site.attributes.integer("offset_group", 1),
    )  # fmt: skip


CONVERTERS: Final[dict[str, Versions]] = {
    "GridSample": since(_grid_sample),
    "RoiAlign": since(_roi_align),
    "MaxRoiPool": since(_max_roi_pool),
    "DeformConv": since(_deform_conv),
}
