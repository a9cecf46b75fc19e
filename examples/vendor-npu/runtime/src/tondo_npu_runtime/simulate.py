"""Run a kernel: the sequencer goes through the loops and hands instructions to the units.

A kernel is prepared once for each combination of sizes that it is called with: numbers are put in, addresses laid out,
the instructions become a tree of loops.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tondo_npu_runtime.isa import Fill, Instruction, Loop, Matmul, Next, Space, Transfer, Vector
from tondo_npu_runtime.machine import MACHINE, Machine
from tondo_npu_runtime.memory import Memory, argument_memory, device_memory
from tondo_npu_runtime.profile import KernelReport, record
from tondo_npu_runtime.units import FillWork, MatmulWork, State, TransferWork, VectorWork, Work
from tondo_npu_runtime.values import evaluate
from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from tondo_npu_runtime.isa import Kernel

_SIZES = 16
"""Combinations of sizes for which a kernel stays prepared."""


MOST_TRIPS: Final = 1 << 24
"""How often a loop is repeated at most."""


@dataclass(frozen=True, slots=True)
class _Repeat:
    """A loop with its body."""

    count: int
    body: tuple[_Node, ...]


_Node: TypeAlias = "Work | _Repeat"


class Executable:
    """A kernel that can be called with scalars and arrays; several threads may do so at the same time."""

    def __init__(self, kernel: Kernel, machine: Machine = MACHINE) -> None:
        """Check that ``kernel`` fits the machine.

        Raises:
            RuntimeFailure: TND-A002 if it needs more memory than there is.
        """
        self.kernel = kernel
        self._machine = machine
        for need, have, name in (
            (kernel.scratchpad, machine.scratchpad, "the scratchpad"),
            (kernel.accumulators, machine.accumulators, "the accumulators"),
        ):
            if need > have:
                fail("TND-A002", f"kernel '{kernel.name}' needs {need} elements of {name}, this chip has {have}")
        self._prepare = lru_cache(maxsize=_SIZES)(self._prepared)
        self._memories = threading.local()

    def __call__(self, *args: object) -> None:
        """Run the kernel on scalars and buffers in the order of the tensor function; outputs are written in place.

        Raises:
            RuntimeFailure: TND-R003 for wrong arguments, or an address outside of a memory.
        """
        kernel = self.kernel
        scalars, arrays = args[: kernel.scalars], args[kernel.scalars :]
        sizes = tuple(scalar for scalar in scalars if isinstance(scalar, int))
        buffers: list[npt.NDArray[np.generic]] = [array for array in arrays if isinstance(array, np.ndarray)]
        if len(sizes) != kernel.scalars or len(buffers) != kernel.buffers or len(arrays) != kernel.buffers:
            fail("TND-R003", f"kernel '{kernel.name}' takes {kernel.scalars} sizes and {kernel.buffers} arrays")
        report = KernelReport(kernel.name, calls=1)
        memories = [argument_memory(number, array, f"kernel '{kernel.name}'") for number, array in enumerate(buffers)]
        state = State(self._machine, memories, self._device(), report)
        with np.errstate(all="ignore"):  # the hardware has no exceptions: Inf and NaN go through
            _run(self._prepare(sizes), state)
        clock = state.clock
        report.cycles = clock.end
        report.read, report.write, report.array, report.vector = clock.busy
        record(report)

    def _device(self) -> dict[Space, Memory]:
        """Return this thread's memories of the device; what they hold from an earlier call is poison."""
        made: dict[Space, Memory] | None = getattr(self._memories, "made", None)
        if made is None:
            kernel = self.kernel
            made = {
                Space.SCRATCHPAD: device_memory(Space.SCRATCHPAD, kernel.scratchpad),
                Space.ACCUMULATOR: device_memory(Space.ACCUMULATOR, kernel.accumulators),
            }
            self._memories.made = made
        return made

    def _count(self, trips: int) -> int:
        if trips > MOST_TRIPS:
            fail("TND-X002", f"kernel '{self.kernel.name}' repeats a loop {trips} times, {MOST_TRIPS} at most")
        return trips

    def _prepared(self, scalars: tuple[int, ...]) -> tuple[_Node, ...]:
        numbers = evaluate(self.kernel.name, self.kernel.values, scalars)
        stack: list[list[_Node]] = [[]]
        counts: list[int] = []
        for position, item in enumerate(self.kernel.code):
            match item:
                case Loop():
                    counts.append(self._count(numbers[item.count]))
                    stack.append([])
                case Next():
                    body = tuple(stack.pop())
                    stack[-1].append(_Repeat(counts.pop(), body))
                case _:
                    stack[-1].append(_work(item, numbers, f"kernel '{self.kernel.name}', instruction {position}"))
        return tuple(stack[0])


def _work(item: Instruction, numbers: Sequence[int], place: str) -> Work:
    match item:
        case Transfer():
            return TransferWork(item, numbers, f"{place}: {item.opcode.name}")
        case Fill():
            return FillWork(item, numbers, f"{place}: FILL")
        case Matmul():
            return MatmulWork(item, numbers, f"{place}: MATMUL")
        case Vector():
            return VectorWork(item, numbers, f"{place}: VECTOR")
        case Loop() | Next():
            raise AssertionError


def _run(nodes: tuple[_Node, ...], state: State) -> None:
    for node in nodes:
        if isinstance(node, _Repeat):
            state.counters.append(0)
            for counter in range(node.count):
                state.counters[-1] = counter
                _run(node.body, state)
            state.counters.pop()
        else:
            node.run(state)
