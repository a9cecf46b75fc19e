"""Operators that make tensors: constants, ranges, fills, one-hot."""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import BOOL, FLOAT32, INT64, Const, DType, Expr, ceildiv, maximum
from tondo_onnx.build.dims import plain, plains
from tondo_onnx.build.values import Element, Ratio, Value
from tondo_onnx.nodes import contents
from tondo_onnx.nodes.site import Site, Versions, since
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
    kind = site.arg(0).dtype
    known = [value.numbers for value in site.args]
    if all(numbers is not None for numbers in known):
        return _known_range(site, kind)
    if not contents.is_known(*site.args) or site.arg(2).numbers is None:
        return contents.counted(site, *site.args)
    step = site.number(2)
    if step != int(step):
        site.refuse("a fractional step between bounds that are not known at import")
    start, limit = (_bound(site, position) for position in range(2))
    count = plain(_count(site, start, limit, int(step)))
    return site.call("range", start=plain(start), step=int(step), count=count, dtype=kind)


def _known_range(site: Site, kind: DType) -> Value:
    start, limit, step = (site.number(position) for position in range(3))
    if not step:
        site.invalid("the step is 0")
    if kind.is_float:
        count = np.ceil((float(limit) - float(start)) / float(step))
        if not np.isfinite(count):
            site.invalid("the range is not finite")
        return site.call("range", start=float(start), step=float(step), count=max(0, int(count)), dtype=kind)
    count = -(-(int(limit) - int(start)) // int(step))
    return site.call("range", start=int(start), step=int(step), count=max(0, count), dtype=kind)


def _bound(site: Site, position: int) -> Expr:
    """Return a bound of a range as an integer expression."""
    elements = site.arg(position).elements
    if elements is None or elements.size != 1:
        site.refuse(f"input {position} decides the shape of the result, but depends on data")
    item: Element = elements.reshape(-1)[0]
    if isinstance(item, Ratio):
        if item.denominator != 1:
            site.refuse("a fractional bound that is not known at import")
        return item.numerator
    if isinstance(item, Expr):
        return item
    if item != int(item):
        site.refuse("a fractional bound beside one that is not known at import")
    return Const(int(item))


def _count(site: Site, low: Expr, high: Expr, step: int) -> Expr:
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
    given = site.arg(1)
    whole = given if given.dtype.is_integer or contents.is_known(given) else site.cast(given, INT64)
    depth = site.sizes_in(whole)[0]
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
