"""Dimensions: the symbols of a model, what is known about them, and exact arithmetic on sizes.

A symbolic dimension has the bounds that the user gives it. Where nothing is said about its smallest size, 0 is allowed
as long as nothing hangs on its being at least 1: forms and proofs are those of sizes from 1 on, and a dimension for
which they would be others if it were 0 is at least 1 from then on (:meth:`Dimensions.require`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tondo.arith import USUAL, Analyzer, Interval
from tondo.ir import BOOL, Binary, Const, Expr, ExprLike, Var, as_expr, floordiv, is_const, walk

ONE = Const(1)
TRUE = Const(True, BOOL)


@dataclass(slots=True)
class _Factors:
    """A product: a positive constant times expressions."""

    constant: int
    others: list[Expr]


class Dimensions:
    """The symbols of one model with their bounds; simplification and proofs under these bounds."""

    def __init__(self, bounds: Mapping[str, tuple[int | None, int | None]] | None = None) -> None:
        """Know ``bounds`` of symbols that may come; ``(low, high)``, None: nothing is said."""
        self._bounds = dict(bounds or {})
        self._unused = dict.fromkeys(self._bounds)
        self._vars: dict[str, Var] = {}
        self.unknowns: list[str] = []
        self._analyzer = Analyzer()
        self._vanishing: dict[Var, None] = {}
        self._loose = Analyzer()

    def symbol(self, name: str) -> Expr:
        """Return the dimension ``name``; a constant if its bounds leave one value only."""
        self._unused.pop(name, None)
        low, high = self._bounds.get(name, (None, None))
        if high is not None and high == (low or 0):
            return Const(high)
        if name not in self._vars:
            self._vars[name] = Var(name)
            if low is None:
                self._vanishing[self._vars[name]] = None
            self._analyzer = Analyzer({var: self._interval(key) for key, var in self._vars.items()})
            self._loose = self._loosened(self._vanishing)
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
        low, high = self._bounds.get(name, (None, None))
        return Interval(1 if low is None else low, high)

    def _loosened(self, vanishing: Collection[Var]) -> Analyzer:
        """Return the analyzer for which the dimensions ``vanishing`` may be 0."""
        known = {var: self._interval(name) for name, var in self._vars.items()}
        return Analyzer({var: Interval(0, each.high) if var in vanishing else each for var, each in known.items()})

    # -- sizes that may be 0

    @property
    def vanishing(self) -> tuple[Var, ...]:
        """Dimensions that may be 0 as far as is known, though nothing was said about their smallest size."""
        return tuple(self._vanishing)

    def bounds(self) -> dict[str, Interval]:
        """Return the bounds of the dimensions that have others than the usual ones."""
        unknown = set(self.unknowns)
        found = {name: self._interval(name) for name in self._vars if name not in unknown}
        found.update({var.name: Interval(0, found[var.name].high) for var in self._vanishing})
        return {name: limits for name, limits in found.items() if limits != USUAL}

    def require(self, variables: Iterable[Var]) -> None:
        """Take ``variables`` to be at least 1 from here on, where nothing else is said about them."""
        for var in variables:
            self._vanishing.pop(var, None)
        self._loose = self._loosened(self._vanishing)

    def _settle(self, expr: Expr, value: Expr) -> Expr:
        """Return ``value``, the form of ``expr`` for sizes from 1 on; sizes without which it is none are required."""
        if not self._vanishing or self._loose.simplify(expr) == value:
            return value
        concerned = {item for item in walk(expr) if isinstance(item, Var)}
        some = [var for var in self._vanishing if var in concerned]
        for var in some:
            if self._loosened([other for other in self._vanishing if other != var]).simplify(expr) == value:
                self.require([var])
                return value
        self.require(some)
        return value

    # -- forms and proofs

    def simplify(self, value: ExprLike) -> Expr:
        """Return the canonical form of ``value``."""
        expr = as_expr(value)
        return expr if isinstance(expr, (Const, Var)) else self._settle(expr, self._analyzer.simplify(expr))

    def form(self, value: Expr) -> Expr:
        """Return the canonical form of ``value`` for sizes from 1 on; no size is required to be."""
        return self._analyzer.simplify(value)

    def truth(self, condition: Expr) -> bool | None:
        """Return whether ``condition`` holds always (True) or never (False); None if neither is proven."""
        value = self._analyzer.simplify(condition)
        if not isinstance(value, Const) or value.dtype != BOOL:
            return None
        return bool(self._settle(condition, value) == TRUE)

    def same(self, a: Expr, b: Expr) -> bool:
        """Return whether two dimensions are proven to be equal."""
        if a == b:
            return True
        difference = a - b
        value = self._analyzer.simplify(difference)
        return is_const(value, 0) and is_const(self._settle(difference, value), 0)

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
        self.require(item for item in walk(divisor) if isinstance(item, Var))
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
