"""The units: one class per instruction, made once per kernel and sizes, executed for each value of the loop counters.

An instruction covers whole blocks (a transfer of a tile, a product of many 16 x 16 tiles), so that it is a few numpy
operations, not one per element.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Final, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tondo_npu_runtime.address import Integers, Linear, Pattern
from tondo_npu_runtime.clock import Clock, Location, Unit
from tondo_npu_runtime.isa import TILE, Fill, Matmul, Opcode, Place, Space, Transfer, Vector
from tondo_npu_runtime.machine import ELEMENT, Machine
from tondo_npu_runtime.memory import Floats, Memory
from tondo_npu_runtime.profile import KernelReport
from tondo_npu_runtime.vector import compute
from tondo_runtime.errors import fail

MOST_ELEMENTS: Final = 1 << 24
"""Elements that one instruction goes through; a whole memory has fewer."""


@dataclass(slots=True)
class State:
    """What a call changes.

    Attributes:
        machine: sizes and speeds.
        arguments: the buffers of the call.
        device: the memories of the device.
        counters: of the loops around the current instruction, outermost first.
        clock: the time.
        report: sums for the profile.
    """

    machine: Machine
    arguments: list[Memory]
    device: dict[Space, Memory]
    report: KernelReport
    counters: list[int] = field(default_factory=list[int])
    clock: Clock = field(default_factory=Clock)


class Work(Protocol):
    """An instruction that is ready to be executed."""

    def run(self, state: State) -> None:
        """Execute it once."""
        ...


@dataclass(frozen=True, slots=True)
class _Operand:
    """A place on the device with its numbers."""

    space: Space
    address: Linear

    @classmethod
    def of(cls, place: Place, numbers: Sequence[int], axes: int) -> _Operand:
        return cls(place.space, Linear.of(place.address, numbers, axes))

    @property
    def location(self) -> Location:
        """The tile that it lies in, for the clock."""
        return self.space, self.address.base

    def view(self, state: State, extents: Sequence[int], place: str) -> Floats:
        return state.device[self.space].view(self.address, state.counters, extents, place)


def extents_of(axes: Sequence[int], numbers: Sequence[int], place: str) -> list[int]:
    """Return the sizes of the axes of an instruction.

    Raises:
        RuntimeFailure: TND-X002 for more elements than one instruction handles.
    """
    extents = [numbers[axis] for axis in axes]
    if prod(max(0, extent) for extent in extents) > MOST_ELEMENTS:
        fail("TND-X002", f"{place} runs over more than {MOST_ELEMENTS} elements")
    return extents


class TransferWork:
    """LOAD and STORE."""

    def __init__(self, item: Transfer, numbers: Sequence[int], place: str) -> None:
        """Put the numbers in."""
        self._place = place
        self._store = item.opcode == Opcode.STORE
        self._buffer = item.buffer
        extents = extents_of(item.axes, numbers, place)
        self._pattern = Pattern(item.outside, item.guards, item.digits, numbers, extents)
        self._inside = _Operand.of(item.inside, numbers, len(extents))
        self._burst = 0.0
        self._empty = min(extents, default=1) < 1

    def run(self, state: State) -> None:
        """Move the block."""
        if self._empty:
            return
        memory, pattern = state.arguments[self._buffer], self._pattern
        if pattern.divides_by_zero:
            fail("TND-R003", f"{self._place} divides by a size that is not positive")
        device = self._inside.view(state, pattern.extents, self._place)
        if pattern.plain:
            outside = memory.view(pattern.address, state.counters, pattern.extents, self._place)
            if self._store:
                outside[...] = device
            else:
                device[...] = outside
            moved = device.size
            self._burst = self._burst or _strided_burst(pattern, state.machine)
        else:
            indices, taken = pattern.indices(state.counters)
            if self._store:
                memory.put(indices, taken, device, self._place)
            else:
                device[...] = memory.take(indices, taken, self._place)
            moved = indices.size if taken is None else int(np.count_nonzero(taken))
            self._burst = self._burst or _gathered_burst(indices, state.machine)
        self._count(state, moved)

    def _count(self, state: State, moved: int) -> None:
        machine, report = state.machine, state.report
        bytes_ = moved * ELEMENT
        cycles = int(bytes_ * self._burst) // machine.dma_bytes + 1
        if self._store:
            report.stored += bytes_
            state.clock.run(Unit.WRITE, cycles, machine.dma_latency, [self._inside.location])
        else:
            report.loaded += bytes_
            state.clock.run(Unit.READ, cycles, machine.dma_latency, (), self._inside.location)


def _strided_burst(pattern: Pattern, machine: Machine) -> float:
    """Return how many bytes are moved for a byte that is wanted."""
    run = 1
    for extent, step in zip(reversed(pattern.extents), reversed(pattern.address.axes), strict=True):
        if step != run and extent != 1:
            break
        run *= extent
    return _padded(run * ELEMENT, machine)


def _gathered_burst(indices: Integers, machine: Machine) -> float:
    flat = indices.ravel()
    runs = 1 + int(np.count_nonzero(np.diff(flat) != 1))
    return _padded(max(1, flat.size // runs) * ELEMENT, machine)


def _padded(run: int, machine: Machine) -> float:
    """Return the size of a run of ``run`` bytes in whole bursts, relative to itself."""
    return -(-run // machine.dma_burst) * machine.dma_burst / run


class FillWork:
    """FILL."""

    def __init__(self, item: Fill, numbers: Sequence[int], place: str) -> None:
        """Put the numbers in."""
        self._place = place
        self._value = item.value
        self._extents = extents_of(item.axes, numbers, place)
        self._target = _Operand.of(item.target, numbers, len(self._extents))

    def run(self, state: State) -> None:
        """Fill the block."""
        if min(self._extents, default=1) < 1:
            return
        self._target.view(state, self._extents, self._place)[...] = self._value
        cleared = self._target.space == Space.ACCUMULATOR
        unit, width = (Unit.ARRAY, TILE * TILE) if cleared else (Unit.VECTOR, state.machine.lanes)
        state.clock.run(unit, -(-prod(self._extents) // width), 0, (), self._target.location)


class VectorWork:
    """VECTOR."""

    def __init__(self, item: Vector, numbers: Sequence[int], place: str) -> None:
        """Put the numbers in."""
        self._place = place
        self._item = item
        self._extents = extents_of(item.axes, numbers, place)
        count = len(self._extents)
        self._target = _Operand.of(item.target, numbers, count)
        self._operands = [_Operand.of(operand, numbers, count) for operand in item.operands]

    def run(self, state: State) -> None:
        """Run the program on the block."""
        if min(self._extents, default=1) < 1:
            return
        operands = [operand.view(state, self._extents, self._place) for operand in self._operands]
        target = self._target.view(state, self._extents, self._place)
        target[...] = compute(self._item, operands)
        machine = state.machine
        cycles = -(-target.size // machine.lanes) * max(1, len(self._item.program))
        reads = [operand.location for operand in self._operands]
        state.clock.run(Unit.VECTOR, cycles, machine.vector_fill, reads, self._target.location)


class MatmulWork:
    """MATMUL. Axes that together make whole matrices are one product; others are gone through one by one.

    In which order a product adds its terms is not specified.
    """

    def __init__(self, item: Matmul, numbers: Sequence[int], place: str) -> None:
        """Put the numbers in and find out which axes make up whole matrices."""
        self._place = place
        tiles = (item.a, item.b, item.c)
        self._operands = [_Operand.of(tile.place, numbers, len(item.axes)) for tile in tiles]
        a, b, c = (numbers[tile.stride] for tile in tiles)
        extents = extents_of(item.axes, numbers, place)
        steps = list(zip(*(operand.address.axes for operand in self._operands), strict=True))
        self._empty = min(extents, default=1) < 1
        self._tiles = prod(extents)
        wholes = {(TILE * a, 0, TILE * c): 0, (0, TILE, TILE): 1, (TILE, TILE * b, 0): 2}
        sizes = [TILE, TILE, TILE]
        rest: list[tuple[int, tuple[int, ...]]] = []
        for extent, step in zip(extents, steps, strict=True):
            whole = wholes.pop(step, None) if extent > 1 else None
            if whole is not None:
                sizes[whole] *= extent
            elif extent > 1:
                rest.append((extent, step))
        rows, columns, depth = sizes
        self._rest = rest
        self._shapes = [((rows, depth), a), ((depth, columns), b), ((rows, columns), c)]

    def run(self, state: State) -> None:
        """Multiply and accumulate."""
        if self._empty:
            return
        starts = [operand.address.start(state.counters) for operand in self._operands]
        for offsets in self._offsets():
            a, b, c = (
                self._matrix(state, operand.space, start + offset, shape, stride)
                for operand, start, offset, (shape, stride) in zip(
                    self._operands, starts, offsets, self._shapes, strict=True
                )
            )
            c += a @ b
        machine, report = state.machine, state.report
        report.multiply_adds += self._tiles * TILE**3
        reads = [operand.location for operand in self._operands[:2]]
        target = self._operands[2].location
        state.clock.run(Unit.ARRAY, self._tiles * TILE, machine.array_fill, reads, target, updates=True)

    def _offsets(self) -> Iterator[tuple[int, int, int]]:
        """Yield what the axes that are gone through one by one add to the addresses of the operands."""
        for indices in product(*(range(extent) for extent, _ in self._rest)):
            a = b = c = 0
            for index, (_, step) in zip(indices, self._rest, strict=True):
                a, b, c = a + index * step[0], b + index * step[1], c + index * step[2]
            yield a, b, c

    def _matrix(self, state: State, space: Space, start: int, shape: tuple[int, int], stride: int) -> Floats:
        memory = state.device[space]
        memory.check(start, start + (shape[0] - 1) * stride + shape[1] - 1, self._place)
        return as_strided(memory.data[start:], shape, (ELEMENT * stride, ELEMENT))
