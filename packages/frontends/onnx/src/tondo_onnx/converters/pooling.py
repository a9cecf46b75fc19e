"""Pools with a moving window."""

from __future__ import annotations

from typing import Final

from tondo_onnx.build.dims import plains
from tondo_onnx.build.values import Value
from tondo_onnx.converters.window import Window, ceil_extra, window_of
from tondo_onnx.nodes.site import Site, Versions, since


def _window(site: Site, x: Value) -> tuple[Window, dict[str, object]]:
    kernel = site.attributes.ints("kernel_shape")
    if kernel is None:
        site.invalid("attribute 'kernel_shape' is missing")
    window = window_of(site, kernel, x.dims[2:])
    attrs: dict[str, object] = {
        "kernel": window.kernel, "strides": window.strides, "dilations": window.dilations, "pads": window.pads,
        "extra": ceil_extra(site, window, x.dims[2:]),
    }  # fmt: skip
    return window, attrs


def _max_pool(site: Site) -> tuple[Value, ...]:
    x = site.arg(0)
    _, attrs = _window(site, x)
    if not site.wants(1):
        return (site.call("max_pool", x, **attrs),)
    return site.call_many(
        "max_pool", (x,), 2, **attrs, indices=True, column_major=site.attributes.flag("storage_order")
    )


def _average_pool(site: Site) -> Value:
    x = site.arg(0)
    _, attrs = _window(site, x)
    return site.call("average_pool", x, **attrs, count_include_pad=site.attributes.flag("count_include_pad"))


def _lp_pool(site: Site) -> Value:
    x = site.arg(0)
    _, attrs = _window(site, x)
    p = site.attributes.number("p", 2.0)
    return site.call("lp_pool", x, **attrs, p=int(p) if p == int(p) else p)


def _max_unpool(site: Site) -> Value:
    """Convert MaxUnpool: elements go back to the flat positions in the tensor that was pooled, zeros elsewhere."""
    x, places, given = site.arg(0), site.arg(1), site.optional(2)
    kernel = site.attributes.ints("kernel_shape")
    if kernel is None:
        site.invalid("the kernel_shape is missing")
    rank = len(kernel)
    if x.rank != rank + 2 or places.rank != x.rank:
        site.invalid(f"a kernel of {rank} dimensions does not fit inputs of ranks {x.rank} and {places.rank}")
    strides = site.attributes.ints_or("strides", [1] * rank)
    pads = site.attributes.ints_or("pads", [0] * (2 * rank))
    sizes = [
        site.dims.simplify((size - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[rank + axis])
        for axis, size in enumerate(x.dims[2:])
    ]
    pooled = (*x.dims[:2], *sizes)
    total, count = site.dims.product(pooled), site.dims.product(x.dims)
    empty = site.fill((total,), 0.0 if x.dtype.is_float else 0, x.dtype)
    filled = site.call("scatter_elements", empty, site.reshape(places, (count,)), site.reshape(x, (count,)), axis=0)
    result = site.reshape(filled, pooled)
    if given is None:
        return result
    wanted = site.sizes(2)
    if len(wanted) != x.rank:
        site.invalid(f"output_shape has {len(wanted)} entries for rank {x.rank}")
    more = [site.dims.simplify(want - have) for want, have in zip(wanted, pooled, strict=True)]
    return site.call("pad", result, begin=(0,) * x.rank, end=plains(more), mode="constant", value=0)


CONVERTERS: Final[dict[str, Versions]] = {
    "MaxPool": since(_max_pool),
    "AveragePool": since(_average_pool),
    "LpPool": since(_lp_pool),
    "MaxUnpool": since(_max_unpool),
}
