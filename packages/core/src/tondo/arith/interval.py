"""Closed integer intervals, possibly unbounded on either side."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Interval:
    """The integers ``low .. high``, both included; None is unbounded.

    An empty interval (``low > high``) means that the value does not occur (dead code); everything holds there.
    """

    low: int | None = None
    high: int | None = None

    @property
    def point(self) -> int | None:
        """The only value, if there is exactly one."""
        return self.low if self.low is not None and self.low == self.high else None

    def contains(self, other: Interval) -> bool:
        """Whether every value of ``other`` is in this interval."""
        above = self.low is None or (other.low is not None and other.low >= self.low)
        return above and (self.high is None or (other.high is not None and other.high <= self.high))

    def __add__(self, other: Interval) -> Interval:
        """Return the sums."""
        return Interval(_plus(self.low, other.low), _plus(self.high, other.high))

    def shift(self, offset: int) -> Interval:
        """Return the interval moved by ``offset``."""
        return Interval(_plus(self.low, offset), _plus(self.high, offset))

    def scale(self, factor: int) -> Interval:
        """Return the interval times ``factor``."""
        if factor == 0:
            return Interval(0, 0)
        low = None if self.low is None else self.low * factor
        high = None if self.high is None else self.high * factor
        return Interval(low, high) if factor > 0 else Interval(high, low)

    def __mul__(self, other: Interval) -> Interval:
        """Return the smallest interval that contains the products."""
        if other.point is not None:
            return self.scale(other.point)
        if self.point is not None:
            return other.scale(self.point)
        corners = [_times(a, b) for a in self._ends() for b in other._ends()]
        low, high = min(corners), max(corners)
        return Interval(None if isinstance(low, float) else low, None if isinstance(high, float) else high)

    def _ends(self) -> tuple[int | float, int | float]:
        return -inf if self.low is None else self.low, inf if self.high is None else self.high

    def floordiv(self, divisor: int) -> Interval:
        """Return the quotients rounded down by a positive ``divisor``."""
        low = None if self.low is None else self.low // divisor
        return Interval(low, None if self.high is None else self.high // divisor)

    def meet(self, other: Interval) -> Interval:
        """Return the values that are in both."""
        low = other.low if self.low is None else self.low if other.low is None else max(self.low, other.low)
        high = other.high if self.high is None else self.high if other.high is None else min(self.high, other.high)
        return Interval(low, high)

    def join(self, other: Interval) -> Interval:
        """Return the smallest interval that contains both."""
        low = None if self.low is None or other.low is None else min(self.low, other.low)
        return Interval(low, None if self.high is None or other.high is None else max(self.high, other.high))

    def smaller(self, other: Interval) -> Interval:
        """Return the interval of ``min(a, b)``."""
        low = None if self.low is None or other.low is None else min(self.low, other.low)
        high = other.high if self.high is None else self.high if other.high is None else min(self.high, other.high)
        return Interval(low, high)

    def larger(self, other: Interval) -> Interval:
        """Return the interval of ``max(a, b)``."""
        return self.scale(-1).smaller(other.scale(-1)).scale(-1)


EVERYTHING = Interval()


def _plus(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _times(a: int | float, b: int | float) -> int | float:
    if a == 0 or b == 0:
        return 0
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return inf if (a > 0) == (b > 0) else -inf
