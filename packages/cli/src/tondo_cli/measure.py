"""Latency of callables, measured alternately so that a drifting machine treats all of them alike.

Callables take turns. A turn of several begins with a call that is not timed: while the others ran they took the
caches, and their threads may still spin for a moment. With one callable alone there is nothing to wait for.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final

_ROUNDS: Final = 10
"""Turns of each callable, as far as there are as many calls to measure."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Distribution of the wall time of one call, in milliseconds.

    Attributes:
        min: the fastest call.
        median: half of the calls took no longer.
        p90: nine of ten calls took no longer.
        spread: distance of the quartiles as a share of the median; above 0.1 the machine was not quiet.
        runs: how many calls were measured.
    """

    min: float
    median: float
    p90: float
    spread: float
    runs: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Return the distribution of measured ``seconds``; the percentiles are measured values (nearest rank)."""
        ordered = sorted(1e3 * second for second in seconds)
        middle = _rank(ordered, 0.5)
        spread = (_rank(ordered, 0.75) - _rank(ordered, 0.25)) / middle if middle else 0.0
        return cls(ordered[0], middle, _rank(ordered, 0.9), spread, len(ordered))

    def as_json(self) -> dict[str, float | int]:
        """Return the fields with their unit in the name."""
        fields = asdict(self)
        shares = {name: fields.pop(name) for name in ("runs", "spread")}
        return {**shares, **{f"{name}_ms": value for name, value in fields.items()}}


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much longer one callable takes than another.

    Attributes:
        value: quotient of the medians.
        low: tenth percentile of the same quotient round by round, where both saw the same machine.
        high: ninetieth percentile of it.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> Ratio:
        """Return the ratio of ``theirs`` to ``ours``, seconds of the calls of each round."""
        whole = median(flat(theirs)) / median(flat(ours))
        each = sorted(median(left) / median(right) for left, right in zip(theirs, ours, strict=True))
        return cls(whole, _rank(each, 0.1), _rank(each, 0.9))

    def as_json(self) -> dict[str, float]:
        """Return the fields by name."""
        return asdict(self)


def flat(turns: Sequence[Sequence[float]]) -> list[float]:
    """Return the seconds of all rounds."""
    return [value for turn in turns for value in turn]


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def alternate(
    calls: Mapping[str, Callable[[], object]],
    *,
    runs: int,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Return the latency of each of ``calls``; the arguments are those of :func:`take_turns`."""
    found = take_turns(calls, runs=runs, warmup=warmup, clock=clock)
    return {name: Latency.of(flat(turns)) for name, turns in found.items()}


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    *,
    runs: int,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[list[float]]]:
    """Return the seconds of ``runs`` calls of each of ``calls``, one list per round.

    Args:
        calls: what to measure, by name.
        runs: measured calls of each, at least one.
        warmup: calls of each before the first round.
        clock: seconds.
    """
    rounds = min(_ROUNDS, runs)
    seconds: dict[str, list[list[float]]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(warmup):
            call()
    names = list(calls)
    with _no_collection():
        for turn in range(rounds):
            count = runs * (turn + 1) // rounds - runs * turn // rounds
            for name in names if turn % 2 == 0 else reversed(names):  # none always follows the same other one
                if len(names) > 1:
                    calls[name]()
                seconds[name].append([_timed(calls[name], clock) for _ in range(count)])
    return seconds


def _timed(call: Callable[[], object], clock: Callable[[], float]) -> float:
    begin = clock()
    call()
    return clock() - begin


@contextlib.contextmanager
def _no_collection() -> Generator[None]:
    """Keep the garbage collector from running between the calls."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def pinned(threads: int | None) -> Generator[tuple[int, ...]]:
    """Let this process, and the threads that it starts meanwhile, run on the first ``threads`` of its processors.

    Yields the numbers of the processors; all that the process may use if ``threads`` is None or larger, and none
    where the system cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield ()
        return
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed if threads is None else allowed[:threads]
    os.sched_setaffinity(0, chosen)
    try:
        yield tuple(chosen)
    finally:
        os.sched_setaffinity(0, allowed)
