"""Functions on sequences and optional values.

Arguments are tensors, or handles where ``objects`` names their positions. A result that is a tensor with dimensions is
returned, because its shape is known here only; others are written into the last argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from tondo_runtime.errors import fail
from tondo_runtime.objects import get, put
from tondo_runtime.registry import register

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array


def _value(argument: Array, *, is_object: bool) -> object:
    """Return an argument as a value that may be kept; the memory of a tensor belongs to the call."""
    return get(argument) if is_object else argument.copy()


def _items(handle: Array) -> tuple[object, ...]:
    return cast("tuple[object, ...]", get(handle))


def _place(position: Array, length: int, *, last: bool = False) -> int:
    place = int(position)
    if not -length <= place < length + last:
        fail("TND-R003", f"position {place} is outside of a sequence of {length} items")
    return place + length if place < 0 else place


def _result(value: object, out: Sequence[Array], *, is_object: bool) -> Array | None:
    """Write a value into ``out``, or return it if there is none."""
    if not out:
        return cast("Array", value)
    out[0][...] = put(value) if is_object else cast("Array", value)
    return None


@register("tondo.sequence.make")
def make(*args: Array, objects: Sequence[int] = ()) -> None:
    """Make a sequence of all arguments but the last, its handle."""
    *items, out = args
    out[...] = put(tuple(_value(item, is_object=position in objects) for position, item in enumerate(items)))


@register("tondo.sequence.insert")
def insert(sequence: Array, item: Array, *rest: Array, objects: Sequence[int] = ()) -> None:
    """Insert an item at a position (default: the end)."""
    *position, out = rest
    items = _items(sequence)
    place = _place(position[0], len(items), last=True) if position else len(items)
    out[...] = put((*items[:place], _value(item, is_object=1 in objects), *items[place:]))


@register("tondo.sequence.erase")
def erase(sequence: Array, *rest: Array) -> None:
    """Leave out the item at a position (default: the last)."""
    *position, out = rest
    items = _items(sequence)
    place = _place(position[0] if position else np.array(-1), len(items))
    out[...] = put(items[:place] + items[place + 1 :])


@register("tondo.sequence.at")
def at(sequence: Array, position: Array, *out: Array, is_object: bool = False) -> Array | None:
    """Return the item at a position."""
    items = _items(sequence)
    return _result(items[_place(position, len(items))], out, is_object=is_object)


@register("tondo.sequence.length")
def length(sequence: Array, out: Array) -> None:
    """Write the number of items."""
    out[...] = len(_items(sequence))


@register("tondo.sequence.split")
def split(x: Array, *rest: Array, axis: int, keepdims: bool = True, objects: Sequence[int] = ()) -> None:
    """Split a tensor along an axis into parts of the given size or sizes (default: one each)."""
    *sizes, out = rest
    value = cast("Array", _value(x, is_object=0 in objects))
    total = value.shape[axis]
    listed = bool(sizes) and sizes[0].ndim > 0
    if not sizes:
        bounds = list(range(1, total))
    elif sizes[0].ndim == 0:
        step = int(sizes[0])
        if step < 1:
            fail("TND-R003", f"a tensor cannot be split into parts of {step}")
        bounds = list(range(step, total, step))
    else:
        if int(sizes[0].sum()) != total or int(sizes[0].min(initial=0)) < 0:
            fail("TND-R003", f"parts of {sizes[0].tolist()} are not those of a size of {total}")
        bounds = np.cumsum(sizes[0])[:-1].tolist()
    parts = np.split(value, bounds, axis) if total or listed else []
    out[...] = put(tuple(part if sizes or keepdims else part.squeeze(axis) for part in parts))


@register("tondo.sequence.concat")
def concat(sequence: Array, *out: Array, axis: int, new_axis: bool = False, is_object: bool = False) -> Array | None:
    """Join all items along an axis, or along a new one."""
    items = [cast("Array", item) for item in _items(sequence)]
    if not items:
        fail("TND-R003", "an empty sequence cannot be joined to a tensor")
    return _result(np.stack(items, axis) if new_axis else np.concatenate(items, axis), out, is_object=is_object)


@register("tondo.optional.make")
def optional(*args: Array, objects: Sequence[int] = ()) -> None:
    """Make an optional value of the first argument, or one without a value."""
    *given, out = args
    out[...] = put(_value(given[0], is_object=0 in objects) if given else None)


@register("tondo.optional.has")
def has(value: Array, out: Array) -> None:
    """Write whether there is a value."""
    out[...] = get(value) is not None


@register("tondo.optional.get")
def get_value(value: Array, *out: Array, is_object: bool = False) -> Array | None:
    """Return the value, which must be there."""
    found = get(value)
    if found is None:
        fail("TND-R003", "an optional value has no element")
    return _result(found, out, is_object=is_object)
