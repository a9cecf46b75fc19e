"""Detection of index tuples that are an injective affine, split and fuse map of iteration variables.

Every index must be a mixed-radix sum of *splits* ``(source // lower) % extent`` of sources, where a source is an
iteration variable or a sum of splits that enumerates ``0 .. n-1`` itself (a fused variable):

    (i*4 + j, k)            fuse i and j
    (i // 8, j, i % 8)      split i
    ((i*6 + j) // 4, (i*6 + j) % 4)    reshape [2, 6] -> [3, 4]

Refused (None): overlapping digits, a variable that is missing or used twice, negative coefficients, data dependence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tondo.arith.affine import Affine, factors, product
from tondo.arith.analyzer import Analyzer
from tondo.arith.rules import positive
from tondo.ir import Binary, Const, Expr, ExprLike, Var, add, as_expr, ceildiv, floordiv, floormod, mul, sub


@dataclass(frozen=True, slots=True)
class IterSplit:
    """``scale * ((source // lower) % extent)``; digit of a variable or of a fused sum."""

    source: Var | IterSum
    lower: Expr
    extent: Expr
    scale: Expr


@dataclass(frozen=True, slots=True)
class IterSum:
    """``base + sum(splits)``; the splits, most significant first, do not overlap.

    Attributes:
        splits: the digits.
        base: constant offset.
        extent: one more than the largest value of the sum of the splits.
        compact: whether the sum of the splits takes every value in ``0 .. extent-1``.
        value: the sum as an expression of the iteration variables.
    """

    splits: tuple[IterSplit, ...]
    base: Expr
    extent: Expr
    compact: bool
    value: Expr


@dataclass(frozen=True, slots=True)
class IterationMap:
    """An injective map from iteration variables to indices.

    Attributes:
        sums: one per index.
        extents: the extent of every iteration variable.
        bijective: whether the indices take every value of the box ``0 <= index < sum.extent``.
    """

    sums: tuple[IterSum, ...]
    extents: Mapping[Var, Expr]
    bijective: bool

    def inverse(self, indices: Sequence[ExprLike], analyzer: Analyzer | None = None) -> dict[Var, Expr]:
        """Return every iteration variable as an expression of ``indices`` (right for indices in the image)."""
        rules = analyzer or Analyzer()
        found: dict[Var, Expr] = {var: Const(0) for var in self.extents}
        level = [(total, sub(as_expr(index), total.base)) for total, index in zip(self.sums, indices, strict=True)]
        while level:
            level = _invert(level, found)
        return {var: rules.simplify(value) for var, value in found.items()}


def _invert(level: list[tuple[IterSum, Expr]], found: dict[Var, Expr]) -> list[tuple[IterSum, Expr]]:
    """Add what the digits of ``level`` say about variables to ``found``; return the fused sources with their values."""
    fused: dict[Expr, tuple[IterSum, Expr]] = {}
    for total, value in level:
        for split, digit in _digits(total, value):
            part = mul(digit, split.lower)
            if isinstance(split.source, Var):
                found[split.source] = add(found[split.source], part)
            else:
                key = split.source.value
                fused[key] = (split.source, add(fused[key][1] if key in fused else Const(0), part))
    return list(fused.values())


def _digits(total: IterSum, value: Expr) -> Iterator[tuple[IterSplit, Expr]]:
    for position, split in enumerate(total.splits):
        digit = floordiv(value, split.scale)
        yield split, digit if position == 0 else floormod(digit, split.extent)


def iteration_map(
    indices: Sequence[Expr], iters: Mapping[Var, ExprLike], analyzer: Analyzer | None = None
) -> IterationMap | None:
    """Return how ``indices`` enumerate the box of ``iters``, or None if they are not such a map.

    Args:
        indices: int64 scalars over ``iters`` and dimensions.
        iters: extent per iteration variable (each runs from zero).
        analyzer: what is known about dimensions.
    """
    extents = {var: as_expr(extent) for var, extent in iters.items()}
    rules = analyzer or Analyzer()
    for var, extent in extents.items():
        rules = rules.with_range(var, 0, extent)
    detector = _Detector(rules, extents)
    sums: list[IterSum] = []
    for index in indices:
        total = detector.total(rules.form(index))
        if total is None:
            return None
        sums.append(total)
    exact = detector.tiles([split for total in sums for split in total.splits])
    if exact is None:
        return None
    full = all(total.compact and rules.form(total.base) == Affine(0) for total in sums)
    return IterationMap(tuple(sums), extents, exact and full)


@dataclass(frozen=True, slots=True)
class _Detector:
    rules: Analyzer
    extents: Mapping[Var, Expr]

    def total(self, value: Affine) -> IterSum | None:
        """Return ``value`` as a sum of digits."""
        base = Affine(value.constant)
        splits: list[IterSplit] = []
        for atom, k in value.terms:
            if not self._moves(atom):
                base = base + Affine.of(atom, k)
                continue
            split = self._split(atom, k)
            if split is None:
                return None
            splits.append(split)
        ordered = self._ordered(splits)
        if ordered is None:
            return None
        extent, compact = Const(1), True
        running: Expr = extent
        for split in ordered:
            compact = compact and self._same(split.scale, running)
            running = self.rules.simplify(mul(split.scale, split.extent))
        if ordered and not compact:
            largest = [mul(split.scale, sub(split.extent, 1)) for split in ordered]
            running = Const(1)
            for part in largest:
                running = add(running, part)
            running = self.rules.simplify(running)
        return IterSum(tuple(reversed(ordered)), base.to_expr(), running, compact, value.to_expr())

    def _moves(self, expr: Expr) -> bool:
        if isinstance(expr, Var):
            return expr in self.extents
        return any(isinstance(child, Expr) and self._moves(child) for child in expr.children())

    def _split(self, atom: Expr, k: int) -> IterSplit | None:
        parts = list(factors(atom))
        moving = [part for part in parts if self._moves(part)]
        if len(moving) != 1:
            return None
        parts.remove(moving[0])
        scale = Affine.of(product(parts), k) if parts else Affine(k)
        if not positive(self.rules, scale):
            return None
        digit = self._digit(moving[0])
        return None if digit is None else IterSplit(digit[0], digit[1], digit[2], scale.to_expr())

    def _digit(self, expr: Expr) -> tuple[Var | IterSum, Expr, Expr] | None:
        """Return ``expr`` as ``(source, lower, extent)``."""
        if isinstance(expr, Var):
            return expr, Const(1), self.extents[expr]
        if not isinstance(expr, Binary) or self._moves(expr.b) or not positive(self.rules, self.rules.form(expr.b)):
            return None
        if expr.op == "floordiv":
            source = self._source(expr.a)
            return None if source is None else (source, expr.b, ceildiv(self._extent(source), expr.b))
        if expr.op == "floormod":
            inner = expr.a
            if isinstance(inner, Binary) and inner.op == "floordiv" and not self._moves(inner.b):
                source, lower = self._source(inner.a), inner.b
            else:
                source, lower = self._source(inner), Const(1)
            return None if source is None else (source, lower, expr.b)
        return None

    def _source(self, expr: Expr) -> Var | IterSum | None:
        if isinstance(expr, Var):
            return expr
        total = self.total(self.rules.form(expr))
        if total is None or not total.compact or self.rules.form(total.base) != Affine(0):
            return None
        return total if self.tiles(list(total.splits), alone=True) else None

    def _extent(self, source: Var | IterSum) -> Expr:
        return self.extents[source] if isinstance(source, Var) else source.extent

    def _same(self, a: Expr, b: Expr) -> bool:
        return self.rules.form(sub(a, b)) == Affine(0)

    def _ordered(self, splits: list[IterSplit]) -> list[IterSplit] | None:
        """Return the digits, least significant first, if none reaches into the next."""
        left = list(splits)
        result: list[IterSplit] = []
        while left:
            least = next((split for split in left if self._below(split, left)), None)
            if least is None:
                return None
            left.remove(least)
            result.append(least)
        return result

    def _below(self, split: IterSplit, others: list[IterSplit]) -> bool:
        top = mul(split.scale, split.extent)
        return all(other is split or self.rules.prove(other.scale >= top) for other in others)

    def tiles(self, splits: list[IterSplit], *, alone: bool = False) -> bool | None:
        """Return whether the digits of every source cover it exactly; None if they overlap or leave a gap.

        With ``alone`` only the sources that occur have to be covered, and exactly.
        """
        groups: dict[Expr, list[IterSplit]] = {}
        sources: dict[Expr, Var | IterSum] = {}
        for split in splits:
            key = split.source if isinstance(split.source, Var) else split.source.value
            groups.setdefault(key, []).append(split)
            sources[key] = split.source
        exact = True
        used: set[Var] = set()
        for key, group in groups.items():
            covered = self._covers(group, self._extent(sources[key]))
            names = set(self._variables(sources[key]))
            if covered is None or names & used or (alone and not covered):
                return None
            used |= names
            exact = exact and covered
        missing = [var for var in self.extents if var not in used]
        if not alone and not all(self._same(self.extents[var], Const(1)) for var in missing):
            return None
        return exact

    def _covers(self, group: list[IterSplit], extent: Expr) -> bool | None:
        running: Expr = Const(1)
        left = list(group)
        while left:
            split = next((item for item in left if self._same(item.lower, running)), None)
            if split is None:
                return None
            left.remove(split)
            running = mul(split.lower, split.extent)
        if self._same(running, extent):
            return True
        return False if self.rules.prove(running >= extent) else None

    def _variables(self, source: Var | IterSum) -> Iterator[Var]:
        if isinstance(source, Var):
            yield source
            return
        for split in source.splits:
            yield from self._variables(split.source)
