"""What the rules assume of a CPU, derived from target facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tondo.ir import DType
from tondo.target import Target

FMA_LATENCY: Final = 4
FMA_PER_CYCLE: Final = 2
LOADS_PER_CYCLE: Final = 2
MAX_ROWS: Final = 8
"""Rows a multiple of 4096 bytes apart share one set of an eight-way cache; more rows would evict each other."""

FLOPS_PER_SECOND: Final = 60e9
"""One core on float32 vectors, a cautious guess: only decides whether a parallel region pays."""
BYTES_PER_SECOND: Final = 10e9
PARALLEL_SECONDS: Final = 20e-6
"""Work below this is not worth a parallel region; also the least work of one chunk."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that schedules for one element type use."""

    lanes: int
    registers: int
    threads: int
    l1: int
    l2: int

    @staticmethod
    def of(target: Target, dtype: DType) -> Machine:
        """Return the facts of ``target`` for elements of ``dtype``."""
        lanes = target.lanes(dtype) if target.vector_bits else 4
        registers = target.vector_registers or 16
        return Machine(lanes, registers, target.threads, target.caches.l1d or 32768, target.caches.l2 or 1 << 20)


def grain_for(iterations: int, seconds: float, threads: int) -> int | None:
    """Return how many of ``iterations`` (``seconds`` each) a thread takes at a time; None if they should stay serial.

    Chunks are at least :data:`PARALLEL_SECONDS` long and at most a quarter of a thread's share.
    """
    if iterations < 2 or threads < 2 or iterations * seconds < 2 * PARALLEL_SECONDS:
        return None
    least = max(1, round(PARALLEL_SECONDS / seconds))
    share = -(-iterations // (4 * threads))
    return max(1, min(max(least, share), -(-iterations // threads)))
