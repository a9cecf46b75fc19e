from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tondo.arith import Interval

_WIDE = range(-40, 41)
_ends = st.one_of(st.none(), st.integers(-6, 6))
intervals = st.builds(Interval, _ends, _ends).filter(lambda x: x.low is None or x.high is None or x.low <= x.high)


def members(interval: Interval) -> list[int]:
    """Members of the interval in a window that is wide against its finite ends."""
    return [
        value
        for value in range(-12, 13)
        if (interval.low is None or interval.low <= value) and (interval.high is None or value <= interval.high)
    ]


def has(interval: Interval, value: int) -> bool:
    return (interval.low is None or interval.low <= value) and (interval.high is None or value <= interval.high)


@given(intervals, intervals)
def test_pairs(a, b):
    for x, y in itertools.product(members(a), members(b)):
        assert has(a + b, x + y)
        assert has(a * b, x * y)
        assert has(a.smaller(b), min(x, y))
        assert has(a.larger(b), max(x, y))
        assert has(a.join(b), x)
        assert has(a.join(b), y)
    assert set(members(a.meet(b))) == set(members(a)) & set(members(b))
    assert a.join(b).contains(a)
    assert a.contains(a.meet(b)) or not members(a.meet(b))


@given(intervals, st.integers(-5, 5), st.integers(1, 6))
def test_scalars(a, factor, divisor):
    for x in members(a):
        assert has(a.scale(factor), x * factor)
        assert has(a.shift(factor), x + factor)
        assert has(a.floordiv(divisor), x // divisor)


@given(intervals.filter(lambda x: x.low is not None and x.high is not None), st.integers(-5, 5))
def test_finite_results_are_tight(a, factor):
    products = [x * factor for x in range(a.low, a.high + 1)]
    assert (a.scale(factor).low, a.scale(factor).high) == (min(products), max(products))
    assert (a * a).high == max(x * y for x in (a.low, a.high) for y in (a.low, a.high))


def test_point():
    assert Interval(3, 3).point == 3
    assert Interval(3, 4).point is None
    assert Interval().point is None
