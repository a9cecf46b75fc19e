"""What is computed from measured times and from answers: summaries, ratios, means, differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Summary:
    """Distribution of the wall time of one call.

    Attributes:
        median: milliseconds; like the others a measured value or the mean of two.
        min: the fastest call.
        p90: nine of ten calls took no longer.
        spread: distance of the quartiles as a share of the median; above 0.1 the machine was not quiet.
        calls: how many calls were measured.
    """

    median: float
    min: float
    p90: float
    spread: float
    calls: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Summary:
        """Return the distribution of measured ``seconds``.

        Raises:
            ValueError: if there are none.
        """
        if not seconds:
            raise ValueError("no call was measured")
        times = 1e3 * np.asarray(seconds, np.float64)
        low, median, high, p90 = (float(value) for value in np.percentile(times, (25, 50, 75, 90)))
        return cls(median, float(times.min()), p90, (high - low) / median if median else 0.0, len(seconds))


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much faster one engine is than another.

    Attributes:
        value: median of the other engine / median of ours; above 1 ours is faster.
        low: tenth percentile of the same ratio round by round, where both saw the same machine.
        high: ninetieth percentile of it.
        other: name of the other engine.
    """

    value: float
    low: float
    high: float
    other: str


def ratio_to_fastest(rounds: Mapping[str, Sequence[Sequence[float]]], ours: str, others: Sequence[str]) -> Ratio | None:
    """Return the ratio of the fastest of ``others`` (by median) to ``ours``; None if either was not measured.

    Args:
        rounds: engine name to the seconds of its calls, one sequence per round.
        ours: name of the engine that is judged.
        others: names of the engines that it is compared with.
    """
    medians = {name: float(np.median(_flat(rounds[name]))) for name in (ours, *others) if _flat(rounds.get(name, ()))}
    known = [name for name in others if name in medians]
    if ours not in medians or not known:
        return None
    fastest = min(known, key=lambda name: medians[name])
    pairs = zip(rounds[fastest], rounds[ours], strict=False)
    each = [float(np.median(theirs) / np.median(mine)) for theirs, mine in pairs if theirs and mine]
    low, high = (float(value) for value in np.percentile(each, (10, 90)))
    return Ratio(medians[fastest] / medians[ours], low, high, fastest)


def geometric_mean(values: Iterable[float]) -> float | None:
    """Return the geometric mean, the one mean of ratios that does not depend on which engine is the denominator."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def difference(ours: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """Return the largest difference of any output, as a share of that output's range (largest minus smallest value).

    Infinite if an output is missing, has another shape, or one side is not a number where the other is one.
    """
    return max((_difference(ours.get(name), expected) for name, expected in reference.items()), default=0.0)


def _difference(array: Array | None, expected: Array) -> float:
    if array is None or array.shape != expected.shape:
        return math.inf
    if not expected.size:
        return 0.0
    mine, theirs = array.astype(np.float64), expected.astype(np.float64)
    if not np.array_equal(np.isnan(mine), np.isnan(theirs)):
        return math.inf
    same = (mine == theirs) | np.isnan(theirs)
    if same.all():
        return 0.0
    finite = theirs[np.isfinite(theirs)]
    extent = float(finite.max() - finite.min()) if finite.size else 0.0
    worst = float(np.abs(mine - theirs)[~same].max())
    return worst / (extent or float(np.abs(finite).max(initial=0.0)) or 1.0)


def turn_order(names: Sequence[str], turn: int) -> list[str]:
    """Return who measures in which order in round ``turn``: no engine always follows the same other one."""
    shift = turn // 2 % max(1, len(names))
    order = [*names[shift:], *names[:shift]]
    return order if turn % 2 == 0 else order[::-1]


def _flat(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [second for seconds in rounds for second in seconds]
