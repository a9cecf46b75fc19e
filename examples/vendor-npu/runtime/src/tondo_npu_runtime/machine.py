"""How large and how fast the machine is: what the simulator enforces and counts with."""

from __future__ import annotations

from dataclasses import dataclass

ELEMENT = 4
"""Bytes of an element (float32)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts of the simulated chip.

    The scratchpad and the accumulators have two banks: what is written to a place goes to the other bank while units
    still read what was there, so that transfers overlap with computation. Sizes are those of one bank.

    Attributes:
        scratchpad: elements.
        accumulators: elements.
        dma_latency: cycles from the start of a transfer to its first element.
        dma_bytes: bytes that the DMA engine moves in a cycle.
        dma_burst: bytes of a burst; a run of neighbouring elements costs whole bursts.
        array_fill: cycles until the first result of a MATMUL; each tile then takes 16.
        lanes: elements that the vector unit handles in a cycle, for each operation of the program.
        vector_fill: cycles until its first result.
        clock: cycles in a second.
    """

    scratchpad: int = 256 * 1024
    accumulators: int = 64 * 1024
    dma_latency: int = 64
    dma_bytes: int = 32
    dma_burst: int = 32
    array_fill: int = 32
    lanes: int = 16
    vector_fill: int = 8
    clock: int = 1_000_000_000


MACHINE = Machine()
"""The chip: 1 MiB of scratchpad and 256 KiB of accumulators per bank, 256 multiply-adds in a cycle, 1 GHz."""
