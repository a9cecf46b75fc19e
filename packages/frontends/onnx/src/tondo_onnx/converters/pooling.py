"""Pools with a moving window."""

from __future__ import annotations

from typing import Final

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


CONVERTERS: Final[dict[str, Versions]] = {
    "MaxPool": since(_max_pool),
    "AveragePool": since(_average_pool),
    "LpPool": since(_lp_pool),
}
