"""Gather, scatter, and rearrangement of elements by position."""

from __future__ import annotations

from typing import Final

from tondo.ir import INT64
from tondo_onnx.build.dims import plains
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Converter, Site, Versions, since

_REDUCTIONS: Final = frozenset({"none", "add", "mul", "max", "min"})


def _gather(op: str) -> Converter:
    def convert(site: Site) -> Value:
        x = site.arg(0)
        return site.call(op, x, site.arg(1), axis=site.axis(site.attributes.integer("axis", 0), x.rank))

    return convert


def _gather_nd(site: Site) -> Value:
    return site.call("gather_nd", site.arg(0), site.arg(1), batch_dims=site.attributes.integer("batch_dims", 0))


def _tensor_scatter(site: Site) -> Value:
    x, update, begin = site.arg(0), site.arg(1), site.optional(2)
    mode = site.attributes.text("mode", "linear")
    if mode not in {"linear", "circular"}:
        site.invalid(f"mode is '{mode}'")
    if not x.rank:
        site.invalid("the past has no dimensions")
    places = site.fill((x.dims[0],), 0, INT64) if begin is None else begin
    axis = site.axis(site.attributes.integer("axis", -2), x.rank)
    return site.call("write_at", x, update, places, axis=axis, circular=mode == "circular")


def _col2im(site: Site) -> Value:
    x, image, kernel = site.arg(0), site.sizes(1), site.sizes(2)
    ones, zeros = [1] * len(image), [0] * (2 * len(image))
    return site.call(
        "col2im", x, image=plains(image), kernel=plains(kernel), strides=site.attributes.ints_or("strides", ones),
        dilations=site.attributes.ints_or("dilations", ones), pads=site.attributes.ints_or("pads", zeros),
    )  # fmt: skip


def _reduction(site: Site) -> str:
    mode = site.attributes.text("reduction", "none")
    if mode not in _REDUCTIONS:
        site.invalid(f"reduction is '{mode}'")
    return mode


def _scatter_elements(site: Site) -> Value:
    x = site.arg(0)
    axis = site.axis(site.attributes.integer("axis", 0), x.rank)
    return site.call("scatter_elements", *site.args, axis=axis, reduction=_reduction(site))


def _scatter_nd(site: Site) -> Value:
    return site.call("scatter_nd", *site.args, reduction=_reduction(site))


def _depth_to_space(site: Site) -> Value:
    mode = site.attributes.text("mode", "DCR")
    if mode not in {"DCR", "CRD"}:
        site.invalid(f"mode is '{mode}'")
    return site.call("depth_to_space", site.arg(0), block=site.attributes.integer("blocksize"), mode=mode.lower())


def _space_to_depth(site: Site) -> Value:
    x, mode, block = site.arg(0), site.attributes.text("mode", "DCR"), site.attributes.integer("blocksize")
    if mode not in {"DCR", "CRD"}:
        site.invalid(f"mode is '{mode}'")
    deep = site.call("space_to_depth", x, block=block)
    if mode == "DCR":
        return deep
    # There the place in the block comes first, here the channel does.
    batch, channels = x.dims[:2]
    parted = site.reshape(deep, (batch, block * block, channels, *deep.dims[2:]))
    return site.reshape(site.call("transpose", parted, perm=(0, 2, 1, 3, 4)), deep.dims)


def _reverse_sequence(site: Site) -> Value:
    attributes = site.attributes
    return site.call(
        "reverse_sequence", site.arg(0), site.arg(1),
        time_axis=attributes.integer("time_axis", 0), batch_axis=attributes.integer("batch_axis", 1),
    )  # fmt: skip


CONVERTERS: Final[dict[str, Versions]] = {
    "TensorScatter": since(_tensor_scatter),
    "Col2Im": since(_col2im),
    "Gather": since(_gather("gather")),
    "GatherElements": since(_gather("gather_elements")),
    "GatherND": since(_gather_nd),
    "Scatter": since(_scatter_elements),
    "ScatterElements": since(_scatter_elements),
    "ScatterND": since(_scatter_nd),
    "DepthToSpace": since(_depth_to_space),
    "SpaceToDepth": since(_space_to_depth),
    "ReverseSequence": since(_reverse_sequence),
}
