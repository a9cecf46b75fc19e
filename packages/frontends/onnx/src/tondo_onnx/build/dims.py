"""Dimensions: the symbols of a model, what is known about them, and exact arithmetic on sizes.

A symbolic dimension is at least 1 unless the user says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tondo.arith import Analyzer, Interval
from tondo.ir import BOOL, Binary, Const, Expr, ExprLike, Var, as_expr, floordiv, is_const

ONE = Const(1)


@dataclass(slots=True)
class _Factors:
    """A product: a positive constant times expressions."""

    constant: int
    others: list[Expr]


class Dimensions:
    """The symbols of one model with their bounds; simplification and proofs under these bounds."""

    def __init__(self, bounds: Mapping[str, tuple[int, int | None]] | None = None) -> None:
        """Know ``bounds`` of symbols that may come; ``(low, high)``, high None: unbounded."""
        self._bounds = dict(bounds or {})
        self._unused = dict.fromkeys(self._bounds)
        self._vars: dict[str, Var] = {}
        self.unknowns: list[str] = []
        self._analyzer = Analyzer()

    def symbol(self, name: str) -> Expr:
        """Return the dimension ``name``; a constant if its bounds leave one value only."""
        self._unused.pop(name, None)
        low, high = self._bounds.get(name, (1, None))
        if low == high:
            return Const(low)
        if name not in self._vars:
            self._vars[name] = Var(name)
            limits = {var: self._interval(key) for key, var in self._vars.items()}
            self._analyzer = Analyzer(limits)
        return self._vars[name]

    def unknown(self, name: str) -> Expr:
        """Return a size that the call finds out; it may be 0, so it is the new symbol ``name`` less one."""
        self._bounds[name] = (1, None)
        self.unknowns.append(name)
        return self.symbol(name) - 1

    @property
    def unused(self) -> list[str]:
        """Names that have bounds and that nothing has asked for."""
        return list(self._unused)

    def __contains__(self, name: str) -> bool:
        """Return whether ``name`` is a symbol of the model."""
        return name in self._vars

    def _interval(self, name: str) -> Interval:
        low, high = self._bounds.get(name, (1, None))
        return Interval(low, high)

    def simplify(self, value: ExprLike) -> Expr:
        """Return the canonical form of ``value``."""
        expr = as_expr(value)
        return expr if isinstance(expr, (Const, Var)) else self._analyzer.simplify(expr)

    def truth(self, condition: Expr) -> bool | None:
        """Return whether ``condition`` holds always (True) or never (False); None if neither is proven."""
        value = self._analyzer.simplify(condition)
        return bool(value.value) if isinstance(value, Const) and value.dtype == BOOL else None

    def same(self, a: Expr, b: Expr) -> bool:
        """Return whether two dimensions are proven to be equal."""
        return a == b or is_const(self.simplify(a - b), 0)

    def nonnegative(self, value: Expr) -> bool:
        """Return whether ``value`` is proven not to be negative."""
        return self.truth(value >= 0) is True

    def product(self, values: Iterable[Expr]) -> Expr:
        """Return the product of dimensions."""
        result: Expr = ONE
        for value in values:
            result = result * value
        return self.simplify(result)

    def quotient(self, above: Sequence[Expr], below: Sequence[Expr]) -> Expr:
        """Return ``product(above) / product(below)``, which is taken to be whole; common factors cancel first."""
        top, bottom = self._factors(above), self._factors(below)
        rest: list[Expr] = []
        for factor in bottom.others:
            match = next((i for i, value in enumerate(top.others) if self.same(value, factor)), None)
            if match is None:
                rest.append(factor)
            else:
                del top.others[match]
        common = math.gcd(top.constant, bottom.constant) or 1
        dividend = self.product([Const(top.constant // common), *top.others])
        divisor = self.product([Const(bottom.constant // common), *rest])
        if self.same(dividend, divisor):
            return ONE
        return self.simplify(floordiv(dividend, divisor))

    def exact_quotient(self, above: Sequence[Expr], below: Sequence[Expr]) -> Expr | None:
        """Return the quotient if it is proven to be whole, else None."""
        value = self.quotient(above, below)
        return value if self.same(self.product([value, *below]), self.product(above)) else None

    def _factors(self, values: Sequence[Expr]) -> _Factors:
        result = _Factors(1, [])
        pending = [self.simplify(value) for value in values]
        while pending:
            value = pending.pop()
            if isinstance(value, Const):
                result.constant *= int(value.value)
            elif isinstance(value, Binary) and value.op == "mul":
                pending.extend((value.a, value.b))
            else:
                result.others.append(value)
        return result


def static(shape: Sequence[Expr]) -> tuple[int, ...] | None:
    """Return the sizes of a shape without symbols, else None."""
    sizes = [int(extent.value) for extent in shape if isinstance(extent, Const)]
    return tuple(sizes) if len(sizes) == len(shape) else None


def plain(value: ExprLike) -> int | Expr:
    """Return a dimension as attributes hold it: an ``int`` where it is known."""
    if isinstance(value, Const):
        return int(value.value)
    return value if isinstance(value, (int, Expr)) else int(value)


def plains(values: Iterable[ExprLike]) -> tuple[int | Expr, ...]:
    """Return dimensions as attributes hold them."""
    return tuple(plain(value) for value in values)
