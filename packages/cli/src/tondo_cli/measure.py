"""Latency of callables, measured alternately so that a drifting machine treats all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """Distribution of the wall time of one call, in milliseconds."""

    min: float
    median: float
    p90: float
    runs: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Return the distribution of measured ``seconds``; the percentiles are measured values (nearest rank)."""
        ordered = sorted(1e3 * second for second in seconds)
        return cls(ordered[0], _rank(ordered, 0.5), _rank(ordered, 0.9), len(ordered))

    def as_json(self) -> dict[str, float | int]:
        """Return the fields with their unit in the name."""
        fields = asdict(self)
        return {"runs": fields.pop("runs"), **{f"{name}_ms": value for name, value in fields.items()}}


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def alternate(
    calls: Mapping[str, Callable[[], object]],
    *,
    runs: int,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Call each of ``calls`` once per round, ``warmup`` + ``runs`` rounds, and return the latency of each.

    The order turns round with every round, so that none of them always follows the same other one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for turn in range(-warmup, runs):
        for name in names if turn % 2 == 0 else reversed(names):
            begin = clock()
            calls[name]()
            if turn >= 0:
                seconds[name].append(clock() - begin)
    return {name: Latency.of(values) for name, values in seconds.items()}
