"""Sorting and sets, which take n log n steps here and n^2 as arithmetic on every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tondo_runtime.errors import fail
from tondo_runtime.registry import register

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array


@register("tondo.sort.top_k")
def top_k(x: Array, values: Array, places: Array, *, axis: int, largest: bool) -> None:
    """Write the first elements along ``axis`` in sorted order, and where they were; equal ones keep their order.

    Raises:
        RuntimeFailure: TND-R003 if there are fewer elements than wanted.
    """
    size, count = x.shape[axis], values.shape[axis]
    if count > size:
        fail("TND-R003", f"the {count} {'largest' if largest else 'smallest'} of {size} elements were wanted")
    rows = np.moveaxis(x, axis, -1)
    if largest:
        # Backwards, so that equal elements keep their order after the result is turned around.
        order = size - 1 - np.argsort(rows[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    else:
        order = np.argsort(rows, axis=-1, kind="stable")
    chosen = order[..., :count]
    places[...] = np.moveaxis(chosen, -1, axis)
    values[...] = np.moveaxis(np.take_along_axis(rows, chosen, -1), -1, axis)


@register("tondo.sort.unique")
def unique(x: Array, inverse: Array, *, axis: int | None, ordered: bool) -> tuple[Array, Array, Array]:
    """Return the different slices along ``axis`` (elements if None), where each is first, and how often it is there.

    They are sorted if ``ordered``, else in the order in which they come. ``inverse`` gets the place of each slice among
    them.
    """
    values, first, place, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    place = place.reshape(-1)
    if not ordered:
        order = np.argsort(first)
        values, first, counts = np.take(values, order, axis=axis or 0), first[order], counts[order]
        moved = np.empty_like(order)
        moved[order] = np.arange(len(order))
        place = moved[place]
    inverse[...] = place
    return values, first.astype(np.int64), counts.astype(np.int64)
