"""What the accelerator did: cycles, use of the units and bytes moved, per kernel.

::

    with tondo_npu_runtime.profile() as report:
        model(x)
    print(report.format())
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tondo_npu_runtime.machine import MACHINE

_ARRAY = 256


@dataclass(slots=True)
class KernelReport:
    """Sums over all calls of one kernel.

    Attributes:
        name: of the tensor function.
        calls: how often it ran.
        cycles: from the first to the last, units overlapping.
        array, vector, read, write: cycles in which each unit worked, the last two being the channels of the DMA engine.
        loaded, stored: bytes from and to global memory.
        multiply_adds: on the array, padding included.
    """

    name: str
    calls: int = 0
    cycles: int = 0
    array: int = 0
    vector: int = 0
    read: int = 0
    write: int = 0
    loaded: int = 0
    stored: int = 0
    multiply_adds: int = 0

    @property
    def utilisation(self) -> float:
        """Part of the array's peak that was used, padding included."""
        return self.multiply_adds / (_ARRAY * self.cycles) if self.cycles else 0.0

    def add(self, other: KernelReport) -> None:
        """Add the sums of ``other``."""
        self.calls += other.calls
        self.cycles += other.cycles
        self.array += other.array
        self.vector += other.vector
        self.read += other.read
        self.write += other.write
        self.loaded += other.loaded
        self.stored += other.stored
        self.multiply_adds += other.multiply_adds


@dataclass(slots=True)
class Report:
    """What ran while a profile was taken."""

    kernels: dict[str, KernelReport] = field(default_factory=dict[str, KernelReport])

    @property
    def cycles(self) -> int:
        """Cycles of all kernels, which run one after the other."""
        return sum(entry.cycles for entry in self.kernels.values())

    def add(self, entry: KernelReport) -> None:
        """Add one call."""
        self.kernels.setdefault(entry.name, KernelReport(entry.name)).add(entry)

    def total(self) -> KernelReport:
        """Return the sums over all kernels."""
        result = KernelReport("total")
        for entry in self.kernels.values():
            result.add(entry)
        return result

    def format(self) -> str:
        """Return a table: the most expensive kernels first, the sum at the end."""
        rows = [*sorted(self.kernels.values(), key=lambda entry: (-entry.cycles, entry.name)), self.total()]
        width = max(len(entry.name) for entry in rows)
        head = f"{'kernel':<{width}}  calls      cycles        us  array  vector  read  write    MB in  MB out"
        return "\n".join([head, *(_line(entry, width) for entry in rows)])


def _line(entry: KernelReport, width: int) -> str:
    cycles = entry.cycles or 1
    parts = (f"{part / cycles:>6.0%}" for part in (entry.array, entry.vector, entry.read, entry.write))
    microseconds = entry.cycles / MACHINE.clock * 1e6
    moved = f"{entry.loaded / 1e6:>8.2f} {entry.stored / 1e6:>7.2f}"
    return f"{entry.name:<{width}}  {entry.calls:>5} {entry.cycles:>11} {microseconds:>9.1f} {' '.join(parts)} {moved}"


_lock = threading.Lock()
_open: list[Report] = []


@contextmanager
def profile() -> Generator[Report]:
    """Collect what all accelerators of this process do inside the ``with``."""
    report = Report()
    with _lock:
        _open.append(report)
    try:
        yield report
    finally:
        with _lock:
            _open[:] = [item for item in _open if item is not report]


def record(entry: KernelReport) -> None:
    """Add one call to every open report."""
    if not _open:
        return
    with _lock:
        for report in _open:
            report.add(entry)
