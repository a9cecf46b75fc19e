"""Slots of a call: they grow, keep what they hold, and hand over the memory of results."""

from __future__ import annotations

import ctypes

import numpy as np

from tondo_runtime.abi import SlotEntry
from tondo_runtime.slots import Slots


def held(slots: Slots, number: int) -> tuple[int | None, int]:
    entry = SlotEntry.from_address(slots.address + number * ctypes.sizeof(SlotEntry))
    return entry.memory, entry.capacity


def test_a_slot_grows_and_keeps_its_contents() -> None:
    slots = Slots(2)
    assert held(slots, 1) == (None, 0)
    address = slots.reserve(1, 10)
    assert address is not None
    assert address % 64 == 0
    assert held(slots, 1) == (address, 64)
    ctypes.memmove(address, b"0123456789", 10)
    larger = slots.reserve(1, 1000)
    assert larger is not None
    assert ctypes.string_at(larger, 10) == b"0123456789"
    assert held(slots, 1) == (larger, 1000)
    slots.reserve(1, 1001)
    assert held(slots, 1)[1] == 1500, "a slot that grows step by step grows by half"
    assert held(slots, 0) == (None, 0)


def test_impossible_sizes_are_refused() -> None:
    slots = Slots(1)
    assert slots.reserve(0, -1) is None
    assert slots.reserve(0, 1 << 62) is None
    assert held(slots, 0) == (None, 0)


def test_a_result_takes_the_memory_with_it() -> None:
    slots = Slots(1)
    address = slots.reserve(0, 48)
    assert address is not None
    ctypes.memmove(address, np.arange(12, dtype=np.float32).tobytes(), 48)
    result = slots.take(0, (3, 4), np.dtype(np.float32))
    assert result.ctypes.data == address
    np.testing.assert_array_equal(result, np.arange(12).reshape(3, 4))
    assert held(slots, 0) == (None, 0)
    again = slots.reserve(0, 48)
    assert again != address
    assert slots.take(0, (0, 4), np.dtype(np.float32)).shape == (0, 4)
