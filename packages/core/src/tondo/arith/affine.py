"""The canonical form of integer expressions: a constant plus integer multiples of atoms.

An atom is a variable, an expression that no rule takes apart (``x // 3``, ``min(x, y)``, a load) or a product of
these with its factors in a fixed order, so that polynomials in dimensions cancel as sums of variables do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import gcd
from typing import cast

from tondo.ir import Attrs, Binary, Buffer, Const, DType, Expr, Node, Unary, Var

MAX_PRODUCTS = 24
"""Sums are multiplied out as long as this many partial products suffice."""


@lru_cache(maxsize=1 << 16)
def order_text(expr: Node) -> str:
    """Return a text that orders expressions the same way in every process."""
    if isinstance(expr, (Var, Buffer)):
        return expr.name
    parts = ",".join(_part_text(part) for part in expr.key())
    return f"~{type(expr).__name__}({parts})"  # '~' sorts after identifiers


def _part_text(part: object) -> str:
    if isinstance(part, Node):
        return order_text(part)
    if isinstance(part, tuple):
        return f"({','.join(_part_text(item) for item in cast('tuple[object, ...]', part))})"
    if isinstance(part, (str, DType, int, float, bytes, Attrs)):
        return str(part)
    return repr(part)


def factors(atom: Expr) -> tuple[Expr, ...]:
    """Return the factors of a product atom in canonical order; any other atom is its own factor."""
    if type(atom) is Binary and atom.op == "mul":
        return (*factors(atom.a), atom.b)
    return (atom,)


def product(parts: Iterable[Expr]) -> Expr:
    """Return the product atom of ``parts`` (at least one), factors in canonical order."""
    ordered = sorted(parts, key=order_text)
    return reduce(lambda left, right: Binary("mul", left, right), ordered)


@dataclass(frozen=True, slots=True)
class Affine:
    """``constant + sum(coefficient * atom)`` over int64; ``terms`` are ordered, distinct, with coefficients != 0."""

    constant: int
    terms: tuple[tuple[Expr, int], ...] = ()

    @staticmethod
    def of(atom: Expr, coefficient: int = 1) -> Affine:
        """Return ``coefficient * atom``."""
        return Affine(0, ((atom, coefficient),)) if coefficient else ZERO

    @staticmethod
    def make(constant: int, terms: Mapping[Expr, int]) -> Affine:
        """Return the sum of ``terms``; zero coefficients vanish."""
        kept = [(atom, value) for atom, value in terms.items() if value]
        if len(kept) > 1:
            kept.sort(key=_term_order)
        return Affine(constant, tuple(kept))

    @property
    def is_constant(self) -> bool:
        """Whether there are no terms."""
        return not self.terms

    @property
    def atom(self) -> Expr | None:
        """The atom, if the value is exactly one atom with coefficient one."""
        if self.constant == 0 and len(self.terms) == 1 and self.terms[0][1] == 1:
            return self.terms[0][0]
        return None

    def __add__(self, other: Affine) -> Affine:
        """Return the sum."""
        if not other.terms:
            return Affine(self.constant + other.constant, self.terms)
        if not self.terms:
            return Affine(self.constant + other.constant, other.terms)
        merged = dict(self.terms)
        for atom, value in other.terms:
            merged[atom] = merged.get(atom, 0) + value
        return Affine.make(self.constant + other.constant, merged)

    def __sub__(self, other: Affine) -> Affine:
        """Return the difference."""
        return self + other.scale(-1)

    def shift(self, offset: int) -> Affine:
        """Return ``self + offset``."""
        return Affine(self.constant + offset, self.terms)

    def scale(self, factor: int) -> Affine:
        """Return ``self * factor``."""
        if factor == 1:
            return self
        if factor == 0:
            return ZERO
        return Affine(self.constant * factor, tuple([(atom, value * factor) for atom, value in self.terms]))

    def divide(self, divisor: int) -> Affine:
        """Return ``self / divisor``, which must be exact."""
        return Affine(self.constant // divisor, tuple([(atom, value // divisor) for atom, value in self.terms]))

    def times(self, other: Affine) -> Affine | None:
        """Return the product multiplied out; None if that would take too many partial products."""
        if not other.terms:
            return self.scale(other.constant)
        if not self.terms:
            return other.scale(self.constant)
        if (len(self.terms) + 1) * (len(other.terms) + 1) > MAX_PRODUCTS:
            return None
        result: dict[Expr, int] = {}
        for atom, value in self.terms:
            for other_atom, other_value in other.terms:
                key = product((*factors(atom), *factors(other_atom)))
                result[key] = result.get(key, 0) + value * other_value
        for atom, value in self.terms:
            result[atom] = result.get(atom, 0) + value * other.constant
        for atom, value in other.terms:
            result[atom] = result.get(atom, 0) + value * self.constant
        return Affine.make(self.constant * other.constant, result)

    def coefficient(self, var: Expr) -> int:
        """Return the coefficient of the atom ``var``; occurrences inside other atoms do not count (see ``split``)."""
        for atom, value in self.terms:
            if atom == var:
                return value
        return 0

    def without(self, var: Expr) -> Affine:
        """Return the form that lacks the atom ``var``."""
        return Affine(self.constant, tuple([term for term in self.terms if term[0] != var]))

    def split(self, var: Expr) -> tuple[Affine, Affine]:
        """Return ``(c, r)`` with ``self == c * var + r``; one factor ``var`` is taken out of each product with it."""
        inside: dict[Expr, int] = {}
        constant = 0
        rest: list[tuple[Expr, int]] = []
        for atom, value in self.terms:
            if atom == var:
                constant += value
                continue
            parts = list(factors(atom))
            if len(parts) == 1 or var not in parts:
                rest.append((atom, value))
                continue
            parts.remove(var)
            key = product(parts)
            inside[key] = inside.get(key, 0) + value
        return Affine.make(constant, inside), Affine(self.constant, tuple(rest))

    def content(self) -> int:
        """Return the greatest common divisor of the coefficients (0 if there are none)."""
        return gcd(*(value for _, value in self.terms))

    def to_expr(self) -> Expr:
        """Return the sum as an expression: positive terms, then negative ones, then the constant."""
        result: Expr | None = None
        negative: list[tuple[Expr, int]] = []
        for atom, value in self.terms:
            if value < 0:
                negative.append((atom, value))
                continue
            term = _term(atom, value)
            result = term if result is None else Binary("add", result, term)
        constant = self.constant
        if result is None and negative:
            if constant:
                result, constant = Const(constant), 0
            else:
                (atom, value), *negative = negative
                result = Unary("neg", atom) if value == -1 else _term(atom, value)
        for atom, value in negative:
            result = Binary("sub", result, _term(atom, -value)) if result is not None else _term(atom, value)
        if result is None:
            return Const(constant)
        if constant > 0:
            return Binary("add", result, Const(constant))
        return Binary("sub", result, Const(-constant)) if constant < 0 else result


ZERO = Affine(0)


def _term_order(term: tuple[Expr, int]) -> tuple[int, int, str]:
    atom, value = term
    return (-len(factors(atom)), -abs(value), order_text(atom))


def _term(atom: Expr, value: int) -> Expr:
    return atom if value == 1 else Binary("mul", atom, Const(value))
