"""Sums ``c0 + c1*v1 + c2*v2 ...`` of int64 values: the form in which index arithmetic is carried."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tondo_llvm.emit.types import Operand


@dataclass(frozen=True, slots=True)
class Linear:
    """``offset + sum(coefficient * value)``; values are names of ``i64``, coefficients are not zero."""

    terms: dict[str, int] = field(default_factory=dict[str, int])
    offset: int = 0

    @staticmethod
    def of(value: Operand) -> Linear:
        """Return the form of one value."""
        return Linear({}, value) if isinstance(value, int) else Linear({value: 1}, 0)

    @property
    def constant(self) -> int | None:
        """The value, when it is known."""
        return None if self.terms else self.offset

    def plus(self, other: Linear, factor: int = 1) -> Linear:
        """Return ``self + factor * other``."""
        if not other.terms and not other.offset:
            return self
        terms = dict(self.terms)
        for name, coefficient in other.terms.items():
            total = terms.get(name, 0) + factor * coefficient
            if total:
                terms[name] = total
            else:
                terms.pop(name, None)
        return Linear(terms, self.offset + factor * other.offset)

    def times(self, factor: int) -> Linear:
        """Return ``factor * self``."""
        if factor == 0:
            return Linear()
        if factor == 1:
            return self
        return Linear({name: factor * value for name, value in self.terms.items()}, factor * self.offset)

    def multiple(self, unit: int, limit: int) -> int:
        """Return the largest divisor of ``limit`` that divides ``unit * self`` whatever the values are."""
        divisor = math.gcd(limit, unit * self.offset)
        for coefficient in self.terms.values():
            divisor = math.gcd(divisor, unit * coefficient)
        return divisor
