"""Latency: percentiles are measured values, and rounds alternate."""

from __future__ import annotations

import gc
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tondo_cli.measure import Latency, Ratio, alternate, pinned, take_turns


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
    assert latency.spread >= 0


def test_rounds_alternate_and_what_warms_up_is_not_counted():
    calls = []
    clock = itertools.count()
    found = take_turns(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        runs=3,
        warmup=1,
        clock=lambda: float(next(clock)),
    )
    assert "".join(calls) == "ab" + "aabb" + "bbaa" + "aabb"
    assert found == {"a": [[1.0]] * 3, "b": [[1.0]] * 3}


def test_one_alone_is_called_as_often_as_it_is_measured():
    calls = []
    found = alternate({"a": lambda: calls.append("a")}, runs=25, warmup=2)
    assert len(calls) == 27
    assert found["a"].runs == 25


def test_many_calls_are_spread_over_few_rounds():
    found = take_turns({"a": int, "b": int}, runs=25, warmup=0)
    assert [len(turn) for turn in found["a"]] == [2, 3, 2, 3, 2, 3, 2, 3, 2, 3]


def test_a_ratio_survives_a_machine_that_drifts():
    ours, theirs = [[1.0], [2.0], [4.0]], [[2.0], [4.0], [8.0]]
    assert Ratio.of(theirs, ours) == Ratio(2.0, 2.0, 2.0)
    assert Ratio.of([[1.0], [3.0]], [[1.0], [1.0]]).as_json() == {"value": 2.0, "low": 1.0, "high": 3.0}


def test_the_garbage_collector_waits():
    seen = []
    take_turns({"a": lambda: seen.append(gc.isenabled())}, runs=2, warmup=1)
    assert seen == [True, False, False]
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not pin processes")
def test_pinning_ends_with_the_block():
    before = os.sched_getaffinity(0)
    with pinned(1) as processors:
        assert os.sched_getaffinity(0) == set(processors) == {min(before)}
    assert os.sched_getaffinity(0) == before
    with pinned(None) as processors:
        assert set(processors) == before
