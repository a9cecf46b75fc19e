"""Addresses of one instruction: numbers put in, axes laid out, so that an execution adds a few small arrays.

An axis becomes an array along its own dimension; sums stay small arrays until the last one is broadcast over all axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tondo_npu_runtime.isa import FIRST_AXIS, FIRST_DIGIT, NO_MODULUS

if TYPE_CHECKING:
    from tondo_npu_runtime.isa import Affine, Digit

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Linear:
    """An affine address with its numbers.

    Attributes:
        base: the constant part.
        loops: (number of the loop, coefficient).
        axes: per axis of the instruction, the coefficient.
        digits: (number of the digit, coefficient).
    """

    base: int
    loops: tuple[tuple[int, int], ...]
    axes: tuple[int, ...]
    digits: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, value: Affine, numbers: Sequence[int], axes: int) -> Linear:
        """Return ``value`` with the entries of the value table ``numbers``."""
        along = [0] * axes
        loops: list[tuple[int, int]] = []
        digits: list[tuple[int, int]] = []
        for variable, place in value.terms:
            if variable >= FIRST_DIGIT:
                digits.append((variable - FIRST_DIGIT, numbers[place]))
            elif variable >= FIRST_AXIS:
                along[variable - FIRST_AXIS] += numbers[place]
            else:
                loops.append((variable, numbers[place]))
        return cls(numbers[value.base], tuple(loops), tuple(along), tuple(digits))

    def start(self, counters: Sequence[int]) -> int:
        """Return the address where all axes are 0, digits left out."""
        total = self.base
        for number, coefficient in self.loops:
            total += counters[number] * coefficient
        return total

    def reach(self, start: int, extents: Sequence[int]) -> tuple[int, int]:
        """Return the least and the greatest address over axes of ``extents`` (at least 1 each)."""
        low = high = start
        for coefficient, extent in zip(self.axes, extents, strict=True):
            if coefficient < 0:
                low += coefficient * (extent - 1)
            else:
                high += coefficient * (extent - 1)
        return low, high


class Pattern:
    """The addresses that a transfer goes through, as arrays over its axes."""

    def __init__(
        self,
        outside: Affine,
        guards: Sequence[Affine],
        digits: Sequence[Digit],
        numbers: Sequence[int],
        extents: Sequence[int],
    ) -> None:
        """Put the numbers in and lay the axes out."""
        self.extents = tuple(extents)
        count = len(self.extents)
        self._steps = [
            np.arange(extent, dtype=np.int64).reshape([extent if place == own else 1 for place in range(count)])
            for own, extent in enumerate(self.extents)
        ]
        self.address = Linear.of(outside, numbers, count)
        self._guards = [Linear.of(guard, numbers, count) for guard in guards]
        self._digits = [
            (
                Linear.of(digit.source, numbers, count),
                numbers[digit.divisor],
                None if digit.modulus == NO_MODULUS else numbers[digit.modulus],
            )
            for digit in digits
        ]
        self.plain = not guards and not self.address.digits
        self.divides_by_zero = any(
            divisor < 1 or (modulus is not None and modulus < 1) for _, divisor, modulus in self._digits
        )

    def indices(self, counters: Sequence[int]) -> tuple[Integers, npt.NDArray[np.bool_] | None]:
        """Return the addresses, and where they count (None: everywhere)."""
        digits: list[Integers] = []
        for source, divisor, modulus in self._digits:
            number = self._sum(source, counters, digits) // divisor
            digits.append(number if modulus is None else number % modulus)
        inside: npt.NDArray[np.bool_] | None = None
        for guard in self._guards:
            holds = self._sum(guard, counters, digits) >= 0
            if not holds.all():
                inside = holds if inside is None else inside & holds
        address = np.broadcast_to(self._sum(self.address, counters, digits), self.extents)
        return address, None if inside is None else np.broadcast_to(inside, self.extents)

    def _sum(self, value: Linear, counters: Sequence[int], digits: Sequence[Integers]) -> Integers:
        parts = [step * factor for step, factor in zip(self._steps, value.axes, strict=True) if factor]
        parts += [digits[number] * factor for number, factor in value.digits]
        parts.sort(key=lambda part: part.size)
        total = np.full((1,) * len(self.extents), value.start(counters), np.int64)
        for part in parts:
            total = total + part
        return total
