"""The memories: bounds are checked at every access, an address outside is an error with a code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from tondo_npu_runtime.isa import Space
from tondo_npu_runtime.machine import ELEMENT
from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from tondo_npu_runtime.address import Integers, Linear

Floats = npt.NDArray[np.float32]

_NAMES = {Space.SCRATCHPAD: "the scratchpad", Space.ACCUMULATOR: "the accumulators"}


class Memory:
    """A flat memory of float32 elements."""

    def __init__(self, name: str, data: Floats) -> None:
        """Wrap ``data`` (one dimension); ``name`` is for messages."""
        self.name = name
        self.data = data

    def view(self, address: Linear, counters: Sequence[int], extents: Sequence[int], place: str) -> Floats:
        """Return the elements at ``address`` over axes of ``extents``, as a view.

        Raises:
            RuntimeFailure: TND-R003 if one lies outside.
        """
        start = address.start(counters)
        low, high = address.reach(start, extents)
        self.check(low, high, place)
        return as_strided(self.data[start:], tuple(extents), [ELEMENT * step for step in address.axes])

    def take(self, indices: Integers, inside: npt.NDArray[np.bool_] | None, place: str) -> Floats:
        """Return the elements at ``indices``, zero where ``inside`` is false."""
        if inside is not None:
            indices = np.where(inside, indices, 0)
        self.check_all(indices, place)
        found = self.data.take(indices)
        if inside is not None:
            found[~inside] = 0
        return found

    def put(self, indices: Integers, inside: npt.NDArray[np.bool_] | None, values: Floats, place: str) -> None:
        """Store ``values`` at ``indices`` where ``inside`` is true."""
        if inside is not None:
            indices, values = indices[inside], values[inside]
        self.check_all(indices, place)
        self.data[indices] = values

    def check_all(self, indices: Integers, place: str) -> None:
        """Refuse indices of which one lies outside."""
        if indices.size:
            self.check(int(indices.min()), int(indices.max()), place)

    def check(self, low: int, high: int, place: str) -> None:
        """Refuse a range that leaves the memory."""
        if low < 0 or high >= self.data.size:
            wrong = low if low < 0 else high
            fail("TND-R003", f"{place} leaves {self.name}: element {wrong} of {self.data.size}")


def device_memory(space: Space, elements: int) -> Memory:
    """Return a memory of the device, poisoned so that nothing relies on what it held before."""
    return Memory(_NAMES[space], np.full(elements, np.nan, np.float32))


def argument_memory(number: int, array: npt.NDArray[np.generic], place: str) -> Memory:
    """Return the memory behind an argument of a call: from its first element to its last one.

    Raises:
        RuntimeFailure: TND-R003 for an array of other elements.
    """
    if array.dtype != np.float32:
        fail("TND-R003", f"{place}: argument {number} has {array.dtype} elements, the accelerator computes float32")
    span = (
        0
        if array.size == 0
        else 1 + sum((n - 1) * s // ELEMENT for n, s in zip(array.shape, array.strides, strict=True))
    )
    return Memory(f"argument {number}", as_strided(cast("Floats", array), (span,), (ELEMENT,)))
