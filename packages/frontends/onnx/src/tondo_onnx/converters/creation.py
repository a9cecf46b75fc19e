"""Operators that make tensors: constants, ranges, fills, one-hot."""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import BOOL, FLOAT32, Const, DType, Expr, cast, ceildiv, floordiv, maximum
from tondo_onnx.build.dims import plain, plains
from tondo_onnx.build.values import Ratio, Value
from tondo_onnx.nodes.site import INT64, Site, Versions, since
from tondo_onnx.read.types import dtype_of


def _constant(site: Site) -> Value:
    attributes, hint = site.attributes, site.outputs[0] if site.outputs else "constant"
    tensor = attributes.tensor("value")
    if tensor is not None:
        return site.builder.constant(tensor, hint)
    if "value_float" in attributes:
        return site.builder.constant(np.array(attributes.number("value_float"), np.float32), hint)
    if "value_int" in attributes:
        return site.builder.constant(np.array(attributes.integer("value_int"), np.int64), hint)
    if "value_floats" in attributes:
        return site.builder.constant(np.array(attributes.numbers("value_floats"), np.float32), hint)
    if "value_ints" in attributes:
        return site.builder.constant(np.array(attributes.ints("value_ints"), np.int64), hint)
    if "sparse_value" in attributes:
        site.refuse("sparse tensors are not supported")
    if "value_string" in attributes or "value_strings" in attributes:
        site.refuse("texts are not supported")
    return site.invalid("the value is missing")


def _constant_of_shape(site: Site) -> Value:
    value = site.attributes.tensor("value")
    filler = np.zeros(1, np.float32) if value is None else value
    if filler.size != 1:
        site.invalid(f"the value has {filler.size} elements")
    kind = FLOAT32 if value is None else site.builder.constant(filler, "value").dtype
    number = filler.reshape(-1)[0]
    plain_number = number.item() if filler.dtype.kind in "biuf" else float(number) if kind.is_float else int(number)
    return site.fill(site.sizes(0), plain_number, kind)


def _eye_like(site: Site) -> Value:
    x = site.arg(0)
    kind = (
        dtype_of(site.attributes.integer("dtype"), f"the result of {site.label}")
        if "dtype" in site.attributes
        else x.dtype
    )
    return site.call("eye", shape=plains(x.dims), k=site.attributes.integer("k", 0), dtype=kind)


def _range(site: Site) -> Value:
    start, limit, step = (_element(site, position) for position in range(3))
    kind = site.arg(0).dtype
    if all(not isinstance(item, Expr) for item in (start, limit, step)):
        first, last, by = (float(item) if kind.is_float else item for item in (start, limit, step))  # type: ignore[arg-type]
        if not by:
            site.invalid("the step is 0")
        count = max(0, int(np.ceil((last - first) / by))) if kind.is_float else max(0, -(-(last - first) // by))  # type: ignore[operator]
        return site.call("range", start=first, step=by, count=count, dtype=kind)
    if isinstance(step, Expr) or not isinstance(step, int):
        site.refuse("a step that is not known at import")
    return site.call("range", start=start, step=step, count=plain(_count(site, start, limit, step)), dtype=kind)


def _element(site: Site, position: int) -> int | float | Expr:
    elements = site.arg(position).elements
    if elements is None or elements.size != 1:
        site.refuse(f"input {position} decides the shape of the result, but depends on data")
    item = elements.reshape(-1)[0]
    if isinstance(item, Ratio):
        if item.denominator != 1:
            site.refuse("a fractional bound that is not known at import")
        return item.numerator
    if isinstance(item, Expr):
        return item
    number: int | float = item.item() if isinstance(item, np.generic) else item
    if (
        isinstance(number, float)
        and number == int(number)
        and any(value is not None and value.numbers is None for value in site.inputs)
    ):
        return int(number)
    return number


def _count(site: Site, start: float | Expr, limit: float | Expr, step: int) -> Expr:
    low, high = (item if isinstance(item, Expr) else Const(int(item)) for item in (start, limit))
    if step > 0:
        count = ceildiv(high - low, Const(step))
    elif step < 0:
        count = ceildiv(low - high, Const(-step))
    else:
        site.invalid("the step is 0")
    done = site.dims.simplify(count)
    return done if site.dims.nonnegative(done) else site.dims.simplify(maximum(done, Const(0)))


def _one_hot(site: Site) -> Value:
    """Convert OneHot; values that depend on data are chosen between with a mask."""
    indices, values = site.arg(0), site.arg(2)
    depth = site.sizes(1)[0]
    axis = site.attributes.integer("axis", -1)
    numbers = values.numbers
    if not indices.dtype.is_integer:
        indices = site.cast(indices, INT64)
    if numbers is not None and numbers.size == 2:
        off, on = (_number(item, values.dtype) for item in numbers.reshape(-1))
        return site.call("one_hot", indices, depth=plain(depth), axis=axis, on=on, off=off, dtype=values.dtype)
    mask = site.cast(site.call("one_hot", indices, depth=plain(depth), axis=axis, on=1, off=0, dtype=INT64), BOOL)
    off_value, on_value = (
        site.reshape(site.call("slice", values, axes=(0,), starts=(i,), ends=(i + 1,), steps=(1,)), ())
        for i in range(2)
    )
    return site.call("where", mask, on_value, off_value)


def _number(item: np.generic, kind: DType) -> float | int:
    return float(item) if kind.is_float else int(item)


CONVERTERS: Final[dict[str, Versions]] = {
    "Constant": since(_constant),
    "ConstantOfShape": since(_constant_of_shape),
    "EyeLike": since(_eye_like),
    "Range": since(_range),
    "OneHot": since(_one_hot),
}

__all__ = ["CONVERTERS", "cast", "floordiv"]
