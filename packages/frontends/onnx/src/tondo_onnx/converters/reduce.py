"""Reductions, scans, softmax, top-k."""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import INT64, TensorType, as_expr
from tondo_onnx.build.dims import plain
from tondo_onnx.build.values import Value
from tondo_onnx.nodes import contents
from tondo_onnx.nodes.measures import around_axis, parted, unknown, without
from tondo_onnx.nodes.site import Converter, Site, Versions, since
from tondo_onnx.nodes.sorting import is_sorted_by_runtime

_NEW_SOFTMAX: Final = 13


def _reduce(op: str, boolean: str | None = None) -> Converter:
    """Return the converter to ``op`` (``boolean`` for truth values), axes from the attribute or the second input."""

    def convert(site: Site) -> Value:
        x = site.arg(0)
        name = boolean if boolean is not None and x.dtype.is_bool else op
        given = site.optional(1)
        if given is not None and unknown(given):
            return _reduce_unknown(site, name, x, given)
        axes = site.axes(1)
        if not axes:
            axes = () if site.attributes.flag("noop_with_empty_axes") else None
        else:
            axes = tuple(site.axis(axis, x.rank) for axis in axes)
        return site.call(name, x, axes=axes, keepdims=site.attributes.flag("keepdims", True))

    return convert


def _arg(op: str) -> Converter:
    def convert(site: Site) -> Value:
        attributes = site.attributes
        return site.call(
            op,
            site.arg(0),
            axis=site.axis(attributes.integer("axis", 0), site.arg(0).rank),
            keepdims=attributes.flag("keepdims", True),
            select_last=attributes.flag("select_last_index"),
        )

    return convert


def _scan(op: str) -> Converter:
    def convert(site: Site) -> Value:
        x = site.arg(0)
        exclusive, reverse = site.attributes.flag("exclusive"), site.attributes.flag("reverse")
        if unknown(site.arg(1)):
            rows = around_axis(site, x, site.arg(1))
            return site.reshape(site.call(op, rows, axis=1, exclusive=exclusive, reverse=reverse), x.dims)
        axis = site.axis(int(site.number(1)), x.rank)
        return site.call(op, x, axis=axis, exclusive=exclusive, reverse=reverse)

    return convert


def _reduce_unknown(site: Site, op: str, x: Value, axes: Value) -> Value:
    """Return the reduction over axes that are known at run time."""
    parts = parted(site, x, axes, all_if_none=not site.attributes.flag("noop_with_empty_axes"))
    result = site.call(op, parts.value, axes=parts.gone, keepdims=False)
    if site.attributes.flag("keepdims", True):
        return result
    return without(site, x, parts.keep, result, axes)


def _softmax(op: str) -> Converter:
    """Return the converter to ``op``; before operator set 13 the tensor counts as a matrix, split at ``axis``."""

    def convert(site: Site) -> Value:
        x = site.arg(0)
        if site.version >= _NEW_SOFTMAX:
            return site.call(op, x, axis=site.axis(site.attributes.integer("axis", -1), x.rank))
        given = site.attributes.integer("axis", 1)
        axis = given if given == x.rank else site.axis(given, x.rank)
        if axis == x.rank - 1:
            return site.call(op, x, axis=axis)
        rows, columns = site.dims.product(x.dims[:axis]), site.dims.product(x.dims[axis:])
        matrix = site.reshape(x, (rows, columns))
        return site.reshape(site.call(op, matrix, axis=1), x.dims)

    return convert


def _top_k(site: Site) -> tuple[Value, ...]:
    x = site.arg(0)
    k = site.attributes.integer("k") if site.version < 10 else plain(site.sizes(1)[0])
    axis = site.axis(site.attributes.integer("axis", -1), x.rank)
    largest = site.attributes.flag("largest", True)
    if not is_sorted_by_runtime(x, x.dims[axis]):
        return site.call_many("top_k", (x,), 2, k=k, axis=axis, largest=largest)
    if isinstance(k, int) and k < 0:
        site.invalid(f"k is {k}")
    shape = tuple(as_expr(k) if i == axis else extent for i, extent in enumerate(x.dims))
    kinds = (TensorType(shape, x.dtype), TensorType(shape, INT64))
    return site.builder.packed("tondo.sort.top_k", (x,), kinds, {"axis": axis, "largest": largest})


def global_pool(op: str) -> Converter:
    """Return the converter of a pool over all spatial dimensions."""

    def convert(site: Site) -> Value:
        x = site.arg(0)
        return site.call(op, x, axes=tuple(range(2, x.rank)), keepdims=True)

    return convert


def _global_lp_pool(site: Site) -> Value:
    x, p = site.arg(0), site.attributes.number("p", 2.0)
    axes = tuple(range(2, x.rank))
    if p in {1.0, 2.0}:
        return site.call("reduce_l1" if p == 1.0 else "reduce_l2", x, axes=axes, keepdims=True)
    total = site.call("reduce_sum", site.call("pow_scalar", site.call("abs", x), exponent=p), axes=axes, keepdims=True)
    return site.call("pow_scalar", total, exponent=1.0 / p)


def _non_zero(site: Site) -> Value:
    known = site.arg(0).numbers
    if known is None:
        return contents.nonzero(site, site.arg(0))
    found = np.nonzero(np.atleast_1d(known))
    return site.builder.constant(np.array(found, np.int64).reshape(len(found), -1), "nonzero")


def _det(site: Site) -> Value:
    return site.call("det", site.arg(0))


_REDUCE: Final = {
    "ReduceSum": "reduce_sum", "ReduceMean": "reduce_mean", "ReduceProd": "reduce_prod", "ReduceL1": "reduce_l1",
    "ReduceL2": "reduce_l2", "ReduceSumSquare": "reduce_sum_square", "ReduceLogSum": "reduce_log_sum",
    "ReduceLogSumExp": "reduce_log_sum_exp",
}  # fmt: skip

CONVERTERS: Final[dict[str, Versions]] = {
    **{name: since(_reduce(op)) for name, op in _REDUCE.items()},
    "ReduceMax": since(_reduce("reduce_max", "reduce_any")),
    "ReduceMin": since(_reduce("reduce_min", "reduce_all")),
    "ArgMax": since(_arg("argmax")),
    "ArgMin": since(_arg("argmin")),
    "CumSum": since(_scan("cumsum")),
    "CumProd": since(_scan("cumprod")),
    "Softmax": since(_softmax("softmax")),
    "LogSoftmax": since(_softmax("log_softmax")),
    "Hardmax": since(_softmax("hardmax")),
    "TopK": since(_top_k),
    "GlobalAveragePool": since(global_pool("reduce_mean")),
    "GlobalMaxPool": since(global_pool("reduce_max")),
    "GlobalLpPool": since(_global_lp_pool),
    "NonZero": since(_non_zero),
    "Det": since(_det),
}
