"""What the simplification rules ask of the analyzer that applies them."""

from __future__ import annotations

from typing import Protocol

from tondo.arith.affine import Affine
from tondo.arith.interval import Interval
from tondo.ir import Expr, Var


class Rules(Protocol):
    """The knowledge and the entry points that the rules share."""

    def simplify(self, expr: Expr) -> Expr:
        """Return the canonical form of any expression."""
        ...

    def form(self, expr: Expr) -> Affine:
        """Return the canonical affine form of an int64 scalar."""
        ...

    def atom(self, expr: Expr) -> Affine:
        """Return the form of an expression no rule takes apart: a constant if its value is known."""
        ...

    def tidy(self, value: Affine) -> Affine:
        """Return a sum with quotients and remainders of the same value joined."""
        ...

    def range_of(self, value: Affine) -> Interval:
        """Return the values that ``value`` can have."""
        ...

    def nonnegative(self, value: Affine) -> bool:
        """Whether ``value >= 0`` is proven."""
        ...

    def fact(self, atom: Expr) -> Interval:
        """Return what was stated about ``atom`` itself."""
        ...

    def residue(self, atom: Expr, modulus: int) -> int | None:
        """Return ``atom % modulus`` if it is known from what was stated about ``atom``."""
        ...

    def symbolic(self, var: Var) -> tuple[tuple[Affine, ...], tuple[Affine, ...]]:
        """Return the symbolic lower and upper bounds (inclusive) of ``var``."""
        ...

    def bounded_vars(self) -> tuple[Var, ...]:
        """Return the variables with symbolic bounds, innermost first."""
        ...

    def assumptions(self) -> tuple[Affine, ...]:
        """Return the forms that are known to be nonnegative."""
        ...

    def truth(self, condition: Expr) -> bool | None:
        """Return what was stated about a condition."""
        ...


def positive(rules: Rules, value: Affine) -> bool:
    """Whether ``value >= 1`` is proven."""
    return rules.nonnegative(value.shift(-1))
