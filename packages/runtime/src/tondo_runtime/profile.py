"""How long each kernel of a model ran: a table per kernel and a Chrome trace.

Generated code appends one record per kernel execution to a buffer of the call in flight; after the call the session
hands the records to a :class:`Profile`. Times are nanoseconds of one monotonic clock.
"""

from __future__ import annotations

import ctypes
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tondo_runtime.abi import ProfileBuffer

DEFAULT_CAPACITY = 1 << 16
"""Records that one call can hold; the surplus is counted as lost."""


@dataclass(frozen=True, slots=True)
class KernelTime:
    """Times of one kernel over all profiled calls, in nanoseconds."""

    name: str
    count: int
    total_ns: int
    min_ns: int
    max_ns: int

    @property
    def mean_ns(self) -> float:
        """Mean time of one execution."""
        return self.total_ns / self.count


@dataclass(frozen=True, slots=True)
class Event:
    """One execution: of a kernel, or of a whole call if ``kernel`` is None."""

    kernel: int | None
    begin_ns: int
    end_ns: int
    thread: int


class CallBuffer:
    """The record buffer of one call in flight."""

    __slots__ = ("_records", "struct")

    def __init__(self, capacity: int) -> None:
        """Make room for ``capacity`` records."""
        self._records = np.zeros((capacity, 3), np.int64)
        self.struct = ProfileBuffer(0, capacity, self._records.ctypes.data)

    @property
    def address(self) -> int:
        """Address of the ``profile`` structure."""
        return ctypes.addressof(self.struct)

    def rows(self) -> list[list[int]]:
        """Return kernel index, begin and end of each kept record."""
        kept = min(max(self.struct.count, 0), self.struct.capacity)
        return self._records[:kept].tolist()

    def lost(self) -> int:
        """Return how many records did not fit."""
        return max(self.struct.count - self.struct.capacity, 0)


class Profile:
    """Times of the calls made while it was in use; calls from several threads may add to it.

    Attributes:
        kernels: kernel names of the model; a record's index is a position in it.
        capacity: records that one call can hold.
        lost: executions that did not fit the buffer of their call.
    """

    def __init__(self, kernels: Sequence[str], capacity: int = DEFAULT_CAPACITY) -> None:
        """Start empty."""
        self.kernels = tuple(kernels)
        self.capacity = capacity
        self.lost = 0
        self._events: list[Event] = []
        self._lock = threading.Lock()

    @property
    def events(self) -> tuple[Event, ...]:
        """All executions, in the order they were recorded."""
        return tuple(self._events)

    def add_call(self, buffer: CallBuffer, begin_ns: int, end_ns: int) -> None:
        """Take over the records of a finished call that ran from ``begin_ns`` to ``end_ns``."""
        thread = threading.get_native_id()
        events = [Event(None, begin_ns, end_ns, thread)]
        events.extend(Event(kernel, begin, end, thread) for kernel, begin, end in buffer.rows())
        with self._lock:
            self._events.extend(events)
            self.lost += buffer.lost()

    def table(self) -> list[KernelTime]:
        """Return one row per executed kernel, the most time first."""
        durations: dict[int, list[int]] = {}
        for event in self._events:
            if event.kernel is not None:
                durations.setdefault(event.kernel, []).append(event.end_ns - event.begin_ns)
        rows = [
            KernelTime(self._name(kernel), len(times), sum(times), min(times), max(times))
            for kernel, times in durations.items()
        ]
        return sorted(rows, key=lambda row: (-row.total_ns, row.name))

    def format(self) -> str:
        """Return the table as text, times in microseconds."""
        rows = self.table()
        total = sum(row.total_ns for row in rows) or 1
        width = max([6, *(len(row.name) for row in rows)])
        lines = [f"{'kernel':<{width}} {'count':>8} {'total us':>12} {'min us':>10} {'mean us':>10} {'share':>7}"]
        lines.extend(
            f"{row.name:<{width}} {row.count:>8} {row.total_ns / 1e3:>12.1f} {row.min_ns / 1e3:>10.1f} "
            f"{row.mean_ns / 1e3:>10.1f} {row.total_ns / total:>7.1%}"
            for row in rows
        )
        if self.lost:
            lines.append(f"{self.lost} executions did not fit the buffer and are not counted")
        return "\n".join(lines)

    def to_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the executions as a Chrome trace (open it in ``chrome://tracing`` or Perfetto)."""
        events = [
            {
                "name": "call" if event.kernel is None else self._name(event.kernel),
                "cat": "call" if event.kernel is None else "kernel",
                "ph": "X",
                "ts": event.begin_ns / 1e3,
                "dur": (event.end_ns - event.begin_ns) / 1e3,
                "pid": os.getpid(),
                "tid": event.thread,
            }
            for event in self._events
        ]
        text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns"})
        Path(path).write_text(text, encoding="utf-8")

    def _name(self, kernel: int) -> str:
        return self.kernels[kernel] if 0 <= kernel < len(self.kernels) else f"kernel {kernel}"
