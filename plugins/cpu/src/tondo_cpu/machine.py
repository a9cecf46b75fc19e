"""What the rules assume of a CPU, derived from target facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tondo.ir import DType
from tondo.target import IntrinsicFamily, Target
from tondo_cpu.contraction.instruction import Tiles

FMA_LATENCY: Final = 4
FMA_PER_CYCLE: Final = 2
LOADS_PER_CYCLE: Final = 2
MAX_ROWS: Final = 8
"""Rows a multiple of 4096 bytes apart share one set of an eight-way cache; more rows would evict each other."""

FLOPS_PER_SECOND: Final = 60e9
"""One core on float32 vectors, a cautious guess: only decides whether a parallel region pays."""
BYTES_PER_SECOND: Final = 10e9
PARALLEL_SECONDS: Final = 5e-6
"""Half of the work from which on a parallel region pays: it costs less than a microsecond among awake threads, and
what one thread left in its cache another one has to fetch."""
SHORT_SECONDS: Final = 100e-6
"""Regions that are shorter are one chunk per thread: in a loop each thread then finds its part of the weights in its
own cache, and there is little time in which a thread could fall behind."""
CHUNK_SECONDS: Final = 0.3e-6
"""What it costs a thread to take a chunk."""
_CHUNKS: Final = 6
"""Chunks per thread, at most."""
_SLACK: Final = 1.03


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that schedules for one element type use."""

    lanes: int
    registers: int
    threads: int
    l1: int
    l2: int
    spare: int = 0
    """Registers that a product needs before it is added, where that is two instructions."""
    tiles: Tiles | None = None
    """The instructions that a register tile can become."""

    def with_families(self, families: Sequence[IntrinsicFamily], dtype: DType) -> Machine:
        """Return the facts together with the instructions that the target has for elements of ``dtype``."""
        return replace(self, tiles=Tiles.of(families, dtype))

    @staticmethod
    def of(target: Target, dtype: DType) -> Machine:
        """Return the facts of ``target`` for elements of ``dtype``."""
        lanes = target.lanes(dtype) if target.vector_bits else 4
        registers = target.vector_registers or 16
        caches = target.caches
        # Few and short vectors are those of machines older than fused multiply-adds.
        spare = int(target.vector_bits <= 128 and registers <= 16)
        return Machine(lanes, registers, target.threads, caches.l1d or 32768, caches.l2 or 1 << 20, spare)


def grain_for(iterations: int, seconds: float, threads: int) -> int | None:
    """Return how many of ``iterations`` (``seconds`` each) a thread takes at a time; None if they should stay serial.

    Chunks are at least half of :data:`PARALLEL_SECONDS` long and at most a thread's share. Among these the smallest
    grain under which the last thread ends about as soon as under the best one: many chunks even out threads that are
    slowed down, but a number of chunks that the threads cannot share evenly leaves one of them waiting. Short
    regions are not cut further than into shares (:data:`SHORT_SECONDS`).
    """
    if iterations < 2 or threads < 2 or iterations * seconds < 2 * PARALLEL_SECONDS:
        return None
    least = max(1, round(PARALLEL_SECONDS / 2 / seconds), -(-iterations // (_CHUNKS * threads)))
    share = -(-iterations // threads)
    if iterations * seconds < SHORT_SECONDS:
        return share
    ends = {grain: _longest(iterations, grain, seconds, threads) for grain in range(min(least, share), share + 1)}
    return next(grain for grain, end in ends.items() if end <= _SLACK * min(ends.values()))


def _longest(iterations: int, grain: int, seconds: float, threads: int) -> float:
    """Return the time of the thread that ends last if chunks are taken in turn."""
    rounds, rest = divmod(iterations, grain * threads)
    return rounds * (grain * seconds + CHUNK_SECONDS) + min(rest, grain) * seconds + (CHUNK_SECONDS if rest else 0)
