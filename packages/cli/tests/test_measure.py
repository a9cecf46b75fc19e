"""Latency: percentiles are measured values, and rounds alternate."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tondo_cli.measure import Latency, alternate


@given(st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=50))
def test_percentiles_are_measured_values(seconds):
    latency = Latency.of(seconds)
    values = sorted(1e3 * second for second in seconds)
    assert latency.min == values[0]
    assert latency.median in values
    assert latency.p90 in values
    assert sum(value <= latency.median for value in values) >= len(values) / 2
    assert sum(value <= latency.p90 for value in values) >= 0.9 * len(values)
    assert latency.min <= latency.median <= latency.p90


def test_rounds_alternate_and_warm_up_is_not_counted():
    calls = []
    clock = itertools.count()
    found = alternate(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        runs=3,
        warmup=1,
        clock=lambda: float(next(clock)),
    )
    assert "".join(calls) == "ba" + "ab" + "ba" + "ab"
    assert {name: latency.runs for name, latency in found.items()} == {"a": 3, "b": 3}
    assert found["a"].min == pytest.approx(1000.0)
