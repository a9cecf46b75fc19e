"""The search: compile with several seeds, measure alternately, keep the fastest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import tondo
from tondo.plugin import collect

_REPEATS = 5
DRAW = "sample_plugin.draw_schedules"
_BEFORE = "tensor.schedule"

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Found:
    """What the search came to: ``seconds`` by seed, where seed 0 stands for the priors."""

    seconds: Mapping[int, float]

    @property
    def best(self) -> int:
        """The seed of the fastest schedules; the priors where none is faster."""
        return min(self.seconds, key=lambda seed: (self.seconds[seed], seed))


def passes(seed: int, kind: str = "cpu") -> list[object]:
    """Return the default passes for targets of ``kind``, with schedules drawn from ``seed``."""
    steps: list[object] = []
    for step in collect().pipelines[kind].passes:
        if step.use == _BEFORE:
            steps.append({"use": DRAW, "seed": seed})
        steps.append({"use": step.use, **dict(step.options)})
    return steps


def search(
    source: object, inputs: Arrays, seeds: Sequence[int], *, tell: Callable[[int, int], None] | None = None
) -> Found:
    """Return how fast ``source`` is with the priors and with the schedules of each of ``seeds``.

    Args:
        source: what :func:`tondo.compile` takes.
        inputs: arrays by name, for the measurement.
        seeds: positive numbers.
        tell: is told how many of how many versions are compiled.
    """
    versions = {}
    for done, seed in enumerate((0, *seeds)):
        versions[seed] = tondo.compile(source, config={"passes": passes(seed)})
        if tell is not None:
            tell(done + 1, len(seeds) + 1)
    best = dict.fromkeys(versions, float("inf"))
    for _ in range(_REPEATS):
        for seed, model in versions.items():
            begin = time.perf_counter()
            model.run(inputs)
            best[seed] = min(best[seed], time.perf_counter() - begin)
    return Found(best)
