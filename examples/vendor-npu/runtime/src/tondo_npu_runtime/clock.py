"""The cost model: when each instruction runs, and how long.

Four units run at the same time: the two channels of the DMA engine, the array, the vector unit. An instruction starts
when its unit is free, what it reads is complete, and the bank that it writes is no longer read: every place has two
banks, so a transfer may run ahead of the computation by one tile. Instructions of one unit run in the order of the
program.

=========  ==========================================================================================
LOAD       bytes / 32 per cycle in whole bursts of 32 bytes; complete 64 cycles later (latency)
STORE      the same, in a channel of its own
MATMUL     16 cycles for each 16 x 16 x 16 tile (256 multiply-adds per cycle), complete 32 cycles later
VECTOR     operations x elements / 16, complete 8 cycles later
FILL       accumulators: elements / 256 of the array, which owns them; else elements / 16 of the vector unit
LOOP, ...  nothing: the sequencer runs ahead
=========  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

Location: TypeAlias = tuple[int, int]
"""Memory and first element of a tile."""


class Unit(IntEnum):
    """What works."""

    READ = 0
    WRITE = 1
    ARRAY = 2
    VECTOR = 3


_NEVER: Final = (0, 0)


@dataclass(slots=True)
class Clock:
    """Time of one call, in cycles."""

    free: list[int] = field(default_factory=lambda: [0] * len(Unit))
    busy: list[int] = field(default_factory=lambda: [0] * len(Unit))
    end: int = 0
    _complete: dict[Location, int] = field(default_factory=dict[Location, int])
    _read: dict[Location, int] = field(default_factory=dict[Location, int])
    _banks: dict[Location, tuple[int, int]] = field(default_factory=dict[Location, tuple[int, int]])

    def run(
        self,
        unit: Unit,
        cycles: int,
        latency: int,
        reads: Iterable[Location] = (),
        writes: Location | None = None,
        *,
        updates: bool = False,
    ) -> None:
        """Let ``unit`` work for ``cycles``; ``updates``: what it writes it reads as well, so no bank changes."""
        reads = [*reads, writes] if updates and writes is not None else list(reads)
        start = max([self.free[unit], *(self._complete.get(place, 0) for place in reads)])
        if writes is not None and not updates:
            earlier, later = self._banks.get(writes, _NEVER)
            start = max(start, earlier)
            self._banks[writes] = (later, later)
        done = start + cycles
        self.free[unit] = done
        self.busy[unit] += cycles
        finished = done + latency
        self.end = max(self.end, finished)
        for place in reads:
            first, last = self._banks.get(place, _NEVER)
            self._banks[place] = (first, max(last, done))
        if writes is not None:
            self._complete[writes] = finished
