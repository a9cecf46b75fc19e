"""Memory stays flat: calls of many shapes, in several threads, results dropped or kept for a while."""

from __future__ import annotations

import collections
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_networks import NETWORKS

import tondo

pytestmark = [pytest.mark.slow, pytest.mark.llvm]

_KEPT = 8


def resident_kilobytes() -> int:
    """Return the memory of this process that is its own and not a file's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def shapes(count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack([generator.integers(1, 9, count), generator.integers(1, 129, count)], axis=1)


def slope(samples: list[tuple[int, int]]) -> float:
    """Return kilobytes per 1,000 calls, by the line that fits the second half of ``samples`` best."""
    calls, size = np.array(samples[len(samples) // 2 :], np.float64).T
    return float(np.polyfit(calls, size, 1)[0]) * 1000


def run(calls: int, kinds: int, workers: int, keep: bool) -> list[tuple[int, int]]:
    """Return ``(call, kilobytes)`` samples of ``calls`` calls with ``kinds`` shapes from ``workers`` threads."""
    model = tondo.compile(NETWORKS["encoder"](layers=1), threads=2, config={"codegen": {"use": "llvm", "opt_level": 1}})
    known = shapes(kinds, 0)
    order = np.random.default_rng(1).integers(0, kinds, calls)
    kept: collections.deque[np.ndarray] = collections.deque(maxlen=_KEPT)

    def call(number: int) -> None:
        batch, seq = (int(size) for size in known[order[number]])
        ids = np.full((batch, seq), number % 97, np.int64)
        result = model(ids, np.ones_like(ids))
        if keep:
            kept.append(result)

    samples: list[tuple[int, int]] = []
    step = max(1, calls // 50)
    with ThreadPoolExecutor(workers) as executor:
        for begin in range(0, calls, step):
            list(executor.map(call, range(begin, min(begin + step, calls))))
            gc.collect()
            samples.append((begin + step, resident_kilobytes()))
    model.close()
    return samples


@pytest.mark.parametrize("keep", [False, True], ids=["dropped", "kept"])
def test_memory_is_flat_over_calls_of_many_shapes(keep, record_property):
    samples = run(2000, 200, 2, keep)
    record_property("kilobytes per 1,000 calls", round(slope(samples)))
    assert slope(samples) < 4096


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("keep", [False, True], ids=["dropped", "kept"])
def test_memory_is_flat_over_many_calls(keep, workers, record_property):
    samples = run(10_000, 1000, workers, keep)
    record_property("kilobytes per 1,000 calls", round(slope(samples)))
    assert slope(samples) < 512, samples
