"""Integer-set projection: the symbolic minimum and maximum of an index over ranges of variables.

    i*stride + k  over  i in [4*o, 4*o + 4), k in [0, 3)   ->   (4*o*stride, (4*o + 3)*stride + 2)

Region inference unites points to regions with it. The result bounds the index from both sides; it is attained where
the index is affine in the projected variables, and may be wider where the same variable occurs in several
quotients, remainders or minima.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tondo.arith.affine import ZERO, Affine, factors, product
from tondo.arith.analyzer import Analyzer
from tondo.arith.choice import minmax_form
from tondo.arith.division import floordiv_form, floormod_form
from tondo.arith.rules import positive
from tondo.ir import Binary, Expr, ExprLike, Node, Select, Var, as_expr, walk


def project(
    expr: Expr, variables: Mapping[Var, tuple[ExprLike, ExprLike]], analyzer: Analyzer | None = None
) -> tuple[Expr, Expr] | None:
    """Return ``(low, high)`` with ``low <= expr <= high`` for all values of ``variables``, free of these.

    Args:
        expr: an int64 scalar.
        variables: ``(begin, extent)`` per variable, outer first; inner ranges may name variables before them. Every
            extent is taken to be at least one.
        analyzer: what is known about the other variables.

    Returns:
        Canonical inclusive bounds; None if the index is unbounded or depends on data (a load).
    """
    inner = analyzer or Analyzer()
    ends: list[tuple[Var, Affine, Affine]] = []
    for var, (begin, extent) in variables.items():
        first = inner.form(as_expr(begin))
        last = inner.tidy(first + inner.form(as_expr(extent))).shift(-1)
        inner = inner.with_range(var, begin, extent)
        ends.append((var, first, last))
    low: Affine | None = inner.form(expr)
    high = low
    for var, first, last in reversed(ends):
        step = _Elimination(inner, var, first, last)
        low = None if low is None else step.extreme(low, least=True)
        high = None if high is None else step.extreme(high, least=False)
    return None if low is None or high is None else (low.to_expr(), high.to_expr())


@dataclass(frozen=True, slots=True)
class _Elimination:
    """Replaces one variable by an end of its range."""

    rules: Analyzer
    var: Var
    first: Affine
    last: Affine

    def extreme(self, value: Affine, *, least: bool) -> Affine | None:
        """Return the least (greatest) value over the variable's range; None if unbounded."""
        kept: list[tuple[Expr, int]] = []
        result = ZERO
        linear: list[tuple[Expr, int]] = []
        for atom, k in value.terms:
            if not _mentions(atom, self.var):
                kept.append((atom, k))
            elif _is_linear(atom, self.var):
                linear.append((atom, k))
            else:
                part = self._atom(atom, least=least == (k > 0))
                if part is None:
                    return None
                result = result + part.scale(k)
        slope, _ = Affine(0, tuple(linear)).split(self.var)
        at_end = self._linear(slope, least=least)
        if at_end is None:
            return None
        return self.rules.tidy(result + at_end + Affine(value.constant, tuple(kept)))

    def _linear(self, slope: Affine, *, least: bool) -> Affine | None:
        if slope == ZERO:
            return ZERO
        if self.rules.nonnegative(slope):
            return slope.times(self.first if least else self.last)
        if self.rules.nonnegative(slope.scale(-1)):
            return slope.times(self.last if least else self.first)
        a, b = slope.times(self.first), slope.times(self.last)
        return None if a is None or b is None else minmax_form(self.rules, "min" if least else "max", a, b)

    def _atom(self, atom: Expr, *, least: bool) -> Affine | None:
        result: Affine | None = None
        match atom:
            case Binary(op="mul"):
                result = self._product(atom, least=least)
            case Binary(op="floordiv") if not _mentions(atom.b, self.var):
                divisor = self.rules.form(atom.b)
                inner = self.extreme(self.rules.form(atom.a), least=least)
                if inner is not None and positive(self.rules, divisor):
                    result = floordiv_form(self.rules, inner, divisor)
            case Binary(op="floormod") if not _mentions(atom.b, self.var):
                result = self._remainder(atom, least=least)
            case Binary(op="min" | "max" as op):
                a = self.extreme(self.rules.form(atom.a), least=least)
                b = self.extreme(self.rules.form(atom.b), least=least)
                result = None if a is None or b is None else minmax_form(self.rules, op, a, b)
            case Select():
                a = self.extreme(self.rules.form(atom.a), least=least)
                b = self.extreme(self.rules.form(atom.b), least=least)
                op = "min" if least else "max"
                result = None if a is None or b is None else minmax_form(self.rules, op, a, b)
            case _:
                pass
        if result is not None:
            return result
        limits = self.rules.fact(atom)
        end = limits.low if least else limits.high
        return None if end is None else Affine(end)

    def _product(self, atom: Expr, *, least: bool) -> Affine | None:
        parts = factors(atom)
        moving = [part for part in parts if _mentions(part, self.var)]
        if len(moving) != 1:
            return None
        others = list(parts)
        others.remove(moving[0])
        scale = Affine.of(product(others))
        if self.rules.nonnegative(scale):
            inner = self.extreme(self.rules.form(moving[0]), least=least)
        elif self.rules.nonnegative(scale.scale(-1)):
            inner = self.extreme(self.rules.form(moving[0]), least=not least)
        else:
            return None
        return None if inner is None else inner.times(scale)

    def _remainder(self, atom: Binary, *, least: bool) -> Affine | None:
        divisor = self.rules.form(atom.b)
        if not positive(self.rules, divisor):
            return None
        low = self.extreme(self.rules.form(atom.a), least=True)
        high = self.extreme(self.rules.form(atom.a), least=False)
        if low is not None and high is not None:
            periods = floordiv_form(self.rules, low, divisor), floordiv_form(self.rules, high, divisor)
            if periods[0] == periods[1]:
                return floormod_form(self.rules, low if least else high, divisor)
        return ZERO if least else divisor.shift(-1)


def _mentions(expr: Node, var: Var) -> bool:
    return expr == var or any(item == var for item in walk(expr))


def _is_linear(atom: Expr, var: Var) -> bool:
    parts = factors(atom)
    return parts.count(var) == 1 and sum(_mentions(part, var) for part in parts) == 1
