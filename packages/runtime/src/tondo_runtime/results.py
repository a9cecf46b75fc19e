"""Memory of large results, used again once nobody holds the array any more.

Fresh pages cost more than writing into them: a call that returns 10 MB spends milliseconds in page faults. A result of
at least 64 KiB therefore lies in a block that comes back when the last array that shows it is gone. Arrays never share
a block while one of them is alive, and a session keeps no more idle blocks than two of its largest calls needed.
"""

from __future__ import annotations

import contextlib
import mmap
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array

SMALLEST: Final = 1 << 16
"""Bytes from which a result is worth a block: smaller ones come from the allocator's own free lists."""
_CALLS: Final = 2
_HUGE: Final = 1 << 22


class _Lease(np.ndarray[tuple[int], np.dtype[np.uint8]]):
    """The bytes of a block while results show them; numpy keeps it alive as the base of every view.

    The block under it is no array: numpy would make that the base of the views instead.
    """

    pool: ResultMemory | None = None

    def __del__(self) -> None:
        """Give the block back; runs in any thread, at any moment, so it takes no lock."""
        pool, block = self.pool, self.base
        if pool is not None and isinstance(block, mmap.mmap):
            pool.back.append(block)


class ResultMemory:
    """Blocks of one session. Callers hold the session's lock; blocks come back without it."""

    __slots__ = ("_idle", "_kept", "back", "largest")

    def __init__(self) -> None:
        self.largest = 0
        """Bytes of results of the largest call to come."""
        self.back: deque[mmap.mmap] = deque()
        """Blocks that were given back, not yet sorted in."""
        self._idle: dict[int, list[mmap.mmap]] = {}
        self._kept = 0

    @property
    def idle(self) -> int:
        """Bytes of the blocks that wait."""
        return self._kept

    def expect(self, size: int) -> None:
        """Set how many bytes of results the largest of the calls to come returns."""
        self.largest = size

    def take(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], size: int) -> tuple[Array, int]:
        """Return an uninitialised array of ``size`` bytes and its address, a multiple of the page size.

        Raises:
            RuntimeFailure: TND-R003 if there is no memory for it.
        """
        self._sort_in()
        capacity = _capacity(size)
        blocks = self._idle.get(capacity)
        if blocks:
            block = blocks.pop()
            self._kept -= capacity
        else:
            block = _block(capacity)
        lease = _Lease((capacity,), np.uint8, block)
        lease.pool = self
        return np.ndarray(shape, dtype, lease), lease.ctypes.data

    def close(self) -> None:
        """Forget the idle blocks, and those to come."""
        self.back = deque(maxlen=0)
        self._idle.clear()
        self._kept = 0

    def _sort_in(self) -> None:
        limit = _CALLS * self.largest
        while self.back:
            block = self.back.popleft()
            capacity = len(block)
            if self._kept + capacity <= limit:
                self._idle.setdefault(capacity, []).append(block)
                self._kept += capacity
            elif self._idle and self._drop(capacity):
                self.back.appendleft(block)

    def _drop(self, capacity: int) -> bool:
        """Let go of one idle block of another capacity than ``capacity``; return whether there was one."""
        for other, blocks in list(self._idle.items()):
            if other != capacity and blocks:
                blocks.pop()
                self._kept -= other
                if not blocks:
                    del self._idle[other]
                return True
        return False


def _block(capacity: int) -> mmap.mmap:
    try:
        # Not the default of mmap, pages shared with child processes.
        if hasattr(mmap, "MAP_PRIVATE"):
            block = mmap.mmap(-1, capacity, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        else:
            block = mmap.mmap(-1, capacity)
    except (OSError, ValueError, OverflowError):
        fail("TND-R003", f"there is no memory for {capacity} bytes", help="use smaller inputs")
    if capacity >= _HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            block.madvise(mmap.MADV_HUGEPAGE)
    return block


def _capacity(size: int) -> int:
    """Return the size of the block for ``size`` bytes: one of four steps between powers of two."""
    step = 1 << max(0, size.bit_length() - 3)
    return -(-size // step) * step
