"""How many iterations of a parallel loop a thread takes at a time."""

from __future__ import annotations

import pytest

from tondo_cpu.machine import grain_for


@pytest.mark.parametrize(
    ("iterations", "seconds", "threads", "grain"),
    [
        (1, 1.0, 2, None),
        (16, 1.0, 1, None),
        (16, 0.5e-6, 2, None),  # too little work
        (16, 4e-6, 2, 8),  # one chunk per thread: each finds its part of the weights in its cache
        (15, 4e-6, 2, 8),
        (16, 4e-6, 3, 6),
        (16, 1e-3, 2, 2),  # much work: more chunks, so that threads which are slowed down get fewer
        (5, 1e-3, 2, 1),
    ],
)
def test_grain(iterations: int, seconds: float, threads: int, grain: int | None) -> None:
    assert grain_for(iterations, seconds, threads) == grain
