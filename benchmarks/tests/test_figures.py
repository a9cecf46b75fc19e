"""Summaries, ratios, means and differences, against numpy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tondo_bench.figures import Summary, difference, geometric_mean, ratio_to_fastest, turn_order

SECONDS = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=40)


@given(SECONDS)
def test_summary_is_ordered_and_in_milliseconds(seconds):
    found = Summary.of(seconds)
    assert found.calls == len(seconds)
    assert found.min == pytest.approx(1e3 * min(seconds))
    assert found.median == pytest.approx(1e3 * np.median(seconds))
    assert found.min <= found.median * (1 + 1e-12)
    assert found.p90 <= 1e3 * max(seconds) * (1 + 1e-12)


def test_summary_of_equal_times_has_no_spread():
    assert Summary.of([0.002] * 5).spread == 0.0
    assert Summary.of([1, 2, 3, 4, 5]).spread == pytest.approx(2 / 3)


def test_summary_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no call"):
        Summary.of([])


def test_ratio_takes_the_fastest_rival():
    rounds = {"ours": [[2.0, 2.0], [1.0]], "slow": [[9.0], [9.0]], "fast": [[3.0], [1.5]]}
    found = ratio_to_fastest(rounds, "ours", ["slow", "fast", "absent"])
    assert found is not None
    assert (found.other, found.value) == ("fast", pytest.approx(2.25 / 2.0))
    assert found.low == pytest.approx(1.5)  # the machine was twice as fast in the second round; the ratio was the same
    assert found.high == pytest.approx(1.5)


@pytest.mark.parametrize("rounds", [{}, {"ours": [[1.0]]}, {"other": [[1.0]]}, {"ours": [[]], "other": [[1.0]]}])
def test_no_ratio_without_both_sides(rounds):
    assert ratio_to_fastest(rounds, "ours", ["other"]) is None


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=20))
def test_geometric_mean_turns_with_the_ratio(values):
    mean = geometric_mean(values)
    assert mean == pytest.approx(math.exp(np.mean(np.log(values))))
    assert geometric_mean(1 / value for value in values) == pytest.approx(1 / mean)


def test_geometric_mean_of_nothing():
    assert geometric_mean([]) is None


def test_difference_is_a_share_of_the_range():
    expected = np.array([10.0, 12.0, 14.0])
    assert difference({"y": expected + np.array([0, 0.4, 0])}, {"y": expected}) == pytest.approx(0.1)
    assert difference({"y": expected}, {"y": expected}) == 0.0
    assert difference({}, {}) == 0.0


def test_difference_of_constant_outputs_is_relative():
    assert difference({"y": np.array([3.0, 2.0])}, {"y": np.array([2.0, 2.0])}) == pytest.approx(0.5)
    assert difference({"y": np.array([1e-3])}, {"y": np.array([0.0])}) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "array", [np.zeros(2), np.zeros((3, 1)), np.array([0.0, np.nan, 0.0]), np.array([0.0, np.inf, 0.0])]
)
def test_difference_of_what_cannot_be_compared_is_infinite(array):
    assert difference({"y": array}, {"y": np.array([0.0, 1.0, 2.0])}) == math.inf
    assert difference({}, {"y": np.zeros(3)}) == math.inf


def test_the_same_special_values_do_not_differ():
    special = np.array([np.nan, np.inf, -np.inf, 1.0, 0.0])
    assert difference({"y": special.copy()}, {"y": special}) == 0.0


@given(st.lists(st.text(max_size=3), min_size=1, max_size=5, unique=True))
def test_everyone_takes_one_turn_a_round_and_nobody_always_follows_the_same(names):
    turns = [turn_order(names, turn) for turn in range(2 * len(names))]
    assert all(sorted(turn) == sorted(names) for turn in turns)
    assert {turn[0] for turn in turns} == set(names)
