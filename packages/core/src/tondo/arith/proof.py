"""Proof that an integer expression is not negative.

Tried in order: intervals; replacing variables by their symbolic bounds (innermost first, all stated bounds);
cases of ``min``, ``max`` and ``select``; relaxing ``x // c`` to ``x / c``; subtracting an assumption. The search is
bounded, so a false answer means "not proven".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tondo.arith.affine import Affine
from tondo.arith.bounds import direct_range
from tondo.arith.rules import Rules
from tondo.ir import Binary, Const, Expr, Select

_MAX_DEPTH = 6
_MAX_NODES = 48


@dataclass(slots=True)
class _Search:
    rules: Rules
    nodes: int = 0

    def proves(self, value: Affine, depth: int = 0) -> bool:
        limits = direct_range(self.rules, value)
        if limits.low is not None and limits.low >= 0:
            return True
        if not value.terms or (limits.high is not None and limits.high < 0):
            return False
        self.nodes += 1
        if depth >= _MAX_DEPTH or self.nodes > _MAX_NODES:
            return False
        return any(all(self.proves(self.rules.tidy(case), depth + 1) for case in cases) for cases in self._ways(value))

    def _ways(self, value: Affine) -> Iterator[tuple[Affine, ...]]:
        """Yield sets of forms; if all of one set are nonnegative, ``value`` is."""
        yield from self._by_bounds(value)
        for atom, k in value.terms:
            yield from _by_cases(self.rules, value, atom, k)
            yield from _by_relaxing(self.rules, value, atom, k)
        for known in self.rules.assumptions():
            yield from _by_assumption(value, known)

    def _by_bounds(self, value: Affine) -> Iterator[tuple[Affine, ...]]:
        for var in self.rules.bounded_vars():
            slope, rest = value.split(var)
            if slope.is_constant and slope.constant == 0:
                continue
            limits = direct_range(self.rules, slope)
            lows, highs = self.rules.symbolic(var)
            if limits.low is not None and limits.low >= 0:
                choices = lows
            elif limits.high is not None and limits.high <= 0:
                choices = highs
            else:
                continue
            for choice in choices:
                replaced = slope.times(choice)
                if replaced is not None:
                    yield (replaced + rest,)
            if choices:  # an inner variable first: its bounds may name outer ones, never the reverse
                return


def _by_cases(rules: Rules, value: Affine, atom: Expr, k: int) -> Iterator[tuple[Affine, ...]]:
    if type(atom) is Select:
        rest = value.without(atom)
        yield (rest + rules.form(atom.a).scale(k), rest + rules.form(atom.b).scale(k))
    elif type(atom) is Binary and atom.op in {"min", "max"}:
        rest = value.without(atom)
        a, b = rest + rules.form(atom.a).scale(k), rest + rules.form(atom.b).scale(k)
        if (atom.op == "min") == (k > 0):
            yield (a, b)
        else:
            yield (a,)
            yield (b,)


def _by_relaxing(rules: Rules, value: Affine, atom: Expr, k: int) -> Iterator[tuple[Affine, ...]]:
    if type(atom) is not Binary or atom.op != "floordiv" or type(atom.b) is not Const:
        return
    c = int(atom.b.value)
    if c <= 0 or k % c:
        return
    # The quotient lies between the exact fractions of x-c+1 and of x.
    rest, m = value.without(atom), k // c
    inner = rules.form(atom.a)
    yield (rest + (inner.shift(1 - c) if k > 0 else inner).scale(m),)


def _by_assumption(value: Affine, known: Affine) -> Iterator[tuple[Affine, ...]]:
    for atom, k in known.terms:
        wanted = value.coefficient(atom)
        if wanted and wanted % k == 0 and wanted // k > 0:
            yield (value - known.scale(wanted // k),)


def nonnegative(rules: Rules, value: Affine) -> bool:
    """Whether ``value >= 0`` is proven."""
    return _Search(rules).proves(value)
