"""Cases of memory: it stays flat over thousands of calls, refused calls, and sessions that come and go."""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

import tondo_runtime
from tondo_conformance.backend import Backend
from tondo_conformance.case import Case, case
from tondo_conformance.outcome import Skip, mismatch
from tondo_conformance.system.sample import SIZES, answer, module, rows, saved
from tondo_runtime import RuntimeFailure

CALLS: Final = 6000
SECONDS: Final = 10.0
"""A measurement ends after this many calls or seconds, whichever comes first."""

NOISE: Final = 256 * 1024
"""Bytes by which the memory of the process may drift over the later half of a measurement: pages of the allocator."""

_SAMPLES: Final = 40


def cases() -> Iterator[Case]:
    """Yield every case; each needs a process in which nothing else allocates."""
    for name, work in (("calls", _calls), ("refused-calls", _refused_calls), ("sessions", _sessions)):
        yield case("L4", "memory", name, work, alone=True, patience=3)


def resident_bytes() -> int:
    """Return the memory of this process that is its own and not a file's.

    Raises:
        Skip: where the system does not tell.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        raise Skip(f"{sys.platform} does not tell the memory of a process") from None


def measure(step: Callable[[int], object], calls: int = CALLS, seconds: float = SECONDS) -> dict[str, float]:
    """Call ``step`` many times and return bytes per call by which memory grows in the later half.

    Raises:
        Mismatch: if it grows steadily.
    """
    resident_bytes()
    begin = time.perf_counter()
    for number in range(max(1, calls // 10)):
        step(number)
        if time.perf_counter() - begin > seconds / 4:
            break
    samples: list[tuple[int, int]] = []
    begin = time.perf_counter()
    chunk = max(1, calls // _SAMPLES)
    done = 0
    while done < calls and time.perf_counter() - begin < seconds:
        for _ in range(chunk):
            step(done)
            done += 1
            if time.perf_counter() - begin > seconds:
                break
        gc.collect()
        samples.append((done, resident_bytes()))
    return _judged(samples)


def _judged(samples: list[tuple[int, int]]) -> dict[str, float]:
    later = np.array(samples[len(samples) // 2 :], np.float64)
    if len(later) < 3:
        raise Skip(f"only {samples[-1][0]} calls in {SECONDS:g} s are too few to tell")
    slope = float(np.polyfit(later[:, 0], later[:, 1], 1)[0])
    grown = slope * float(later[-1, 0] - later[0, 0])
    # Steadily: a page that comes once is no leak, however short the measurement.
    steps = int((np.diff(later[:, 1]) > 0).sum())
    if grown > NOISE and steps >= len(later) // 3:
        mismatch(f"memory grows by {slope:.0f} bytes per call ({samples[-1][0]} calls)")
    return {"bytes per call": round(slope, 1), "calls": float(samples[-1][0])}


def _calls(backend: Backend) -> dict[str, float]:
    """Calls of several shapes leave no memory behind."""
    model = backend.model(module(backend))
    return measure(lambda number: answer(model, SIZES[number % len(SIZES)]))


def _refused_calls(backend: Backend) -> dict[str, float]:
    """Calls that are refused leave no memory behind."""
    model = backend.model(module(backend))
    wrong = rows(3)[:, :-1]

    def step(number: int) -> None:
        del number
        try:
            model.run({"x": wrong})
        except RuntimeFailure:
            return
        mismatch("a call with a wrong shape was not refused")

    return measure(step)


def _sessions(backend: Backend) -> dict[str, float]:
    """Sessions that are loaded, called and closed leave no memory behind."""
    with tempfile.TemporaryDirectory() as folder:
        path = saved(backend, Path(folder))

        def step(number: int) -> None:
            with tondo_runtime.load(path) as session:
                session(rows(SIZES[number % len(SIZES)]))

        return measure(step, 400)
