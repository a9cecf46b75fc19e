"""Memory of a call whose size the call itself finds out.

Slots are numbered; generated code asks for more when a slot is too small. What a slot holds is kept when it grows. The
memory stays for later calls, so that it does not grow from call to call; that of a result is handed over instead.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from tondo_runtime.abi import SlotEntry
from tondo_runtime.errors import RuntimeFailure

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array

ALIGNMENT = 64


class Slots:
    """The slots of one call in flight."""

    __slots__ = ("_memory", "_table", "address")

    def __init__(self, count: int) -> None:
        """Make ``count`` slots without memory."""
        self._table = (SlotEntry * max(count, 1))()
        self._memory: list[Array | None] = [None] * count
        self.address = ctypes.addressof(self._table)

    def reserve(self, number: int, size: int) -> int | None:
        """Make slot ``number`` at least ``size`` bytes large and return its address; None if there is no memory."""
        entry, old = self._table[number], self._memory[number]
        if size < 0:
            return None
        wanted = max(size, entry.capacity + entry.capacity // 2, ALIGNMENT)
        try:
            raw = np.empty(wanted + ALIGNMENT, np.uint8)
        except (MemoryError, ValueError):
            return None
        offset = -raw.ctypes.data % ALIGNMENT
        memory = raw[offset : offset + wanted]
        if old is not None:
            memory[: old.size] = old
        self._memory[number] = memory
        entry.memory, entry.capacity = memory.ctypes.data, wanted
        return memory.ctypes.data

    def memory(self, number: int, size: int) -> Array | None:
        """Return the first ``size`` bytes of slot ``number``, which grows as needed; None if there is no memory."""
        found = self._memory[number]
        if found is None or found.size < size:
            self.reserve(number, size)
            found = self._memory[number]
        return None if found is None or found.size < size else found[:size]

    def take(self, number: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """Return what slot ``number`` holds as an array that owns the memory; the slot is left without."""
        memory, entry = self._memory[number], self._table[number]
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        if size == 0 or memory is None:
            if size:
                raise RuntimeFailure("TND-R003", f"the slot {number} of a result holds nothing", ())
            return np.empty(shape, dtype)
        self._memory[number] = None
        entry.memory, entry.capacity = None, 0
        return memory[:size].view(dtype).reshape(shape)
