"""Sliding windows: contractions whose left operand is read at ``row + tap``, and how it continues beyond its edge.

A contraction ``O[n, o, h, w] += A[n, c, h + p, w + q] * B[o, c, p, q]`` slides along two dimensions of ``A``. Where
``A`` is itself a padded copy of another buffer, the facts speak of that buffer and of the offset between the two:
whatever lies outside of it counts as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.arith import Analyzer, affine
from tondo.ir import Binary, Buffer, Const, Expr, IterVar, Load, Select, Store, Var, add, compare, walk
from tondo_schedule.facts.contraction import Contraction
from tondo_schedule.facts.stage import Stage, consumers_of


@dataclass(frozen=True, slots=True)
class SlidingAxis:
    """A dimension of the left operand that is read at ``row + tap``.

    Attributes:
        place: the dimension.
        row: the spatial axis that moves the window.
        tap: the reduction axis within the window.
        taps: how many taps there are.
    """

    place: int
    row: IterVar
    tap: IterVar
    taps: int


@dataclass(frozen=True, slots=True)
class SlidingProduct:
    """A contraction that slides over zero-padded values.

    Attributes:
        stage: the contraction.
        source: what it slides over, without padding.
        offsets: by dimension, what to add to an index of the left operand for the same element of ``source``.
        axes: the dimensions along which it slides, in their order.
        copy: the stage that pads ``source``; None if the contraction reads it as it is.
    """

    stage: Stage
    source: Buffer
    offsets: tuple[Expr, ...]
    axes: tuple[SlidingAxis, ...]
    copy: Stage | None

    @property
    def contraction(self) -> Contraction:
        """The operands and axes of the contraction."""
        assert self.stage.contraction is not None
        return self.stage.contraction


def sliding_product(stage: Stage, stages: Sequence[Stage]) -> SlidingProduct | None:
    """Return how ``stage``, one of ``stages``, slides over its left operand; None if it does not.

    Windows move by one element and their taps lie next to each other; the sum starts from zero.
    """
    contraction = stage.contraction
    if stage.kind != "contraction" or contraction is None or not _starts_at_zero(stage):
        return None
    axes = _axes(contraction)
    if not axes:
        return None
    left = contraction.left.buffer
    copies = [other for other in stages if other.output == left]
    if not copies:
        return SlidingProduct(stage, left, tuple(Const(0) for _ in left.shape), axes, None)
    if len(copies) > 1 or len(consumers_of(stages, left)) != 1:
        return None
    (copy,) = copies
    padded = padding_of(copy)
    return None if padded is None else SlidingProduct(stage, *padded, axes, copy)


def _starts_at_zero(stage: Stage) -> bool:
    init = stage.block.init
    return isinstance(init, Store) and init.value == Const(0, init.value.dtype)


def _axes(contraction: Contraction) -> tuple[SlidingAxis, ...] | None:
    """Return the sliding axes; None if an index of the left operand moves with a row otherwise than ``row + tap``."""
    rows = {it.var: it for it in contraction.m}
    taps = {it.var: it for it in contraction.k}
    found: list[SlidingAxis] = []
    seen: list[Var] = []
    for place, index in enumerate(contraction.left.indices):
        variables = [item for item in walk(index) if isinstance(item, Var)]
        seen.extend(variables)
        if isinstance(index, (Var, Const)) or not any(var in rows for var in variables):
            continue
        form = affine(index)
        if form is None or form.constant != 0 or any(slope != 1 for _, slope in form.terms) or len(form.terms) != 2:
            return None
        row = next((rows[atom] for atom, _ in form.terms if isinstance(atom, Var) and atom in rows), None)
        tap = next((taps[atom] for atom, _ in form.terms if isinstance(atom, Var) and atom in taps), None)
        if row is None or tap is None or not isinstance(tap.extent, Const):
            return None
        found.append(SlidingAxis(place, row, tap, int(tap.extent.value)))
    return tuple(found) if len(set(seen)) == len(seen) else None


def padding_of(copy: Stage) -> tuple[Buffer, tuple[Expr, ...]] | None:
    """Return what ``copy`` pads with zeros and the offsets between the two; None if it does anything else."""
    value = copy.store.value
    condition: Expr | None = None
    if isinstance(value, Select):
        if value.b != Const(0, value.b.dtype):
            return None
        condition, value = value.condition, value.a
    if not isinstance(value, Load) or value.predicate is not None or copy.kind not in {"elementwise", "injective"}:
        return None
    if len(value.indices) != len(copy.store.indices):
        return None
    offsets: list[Expr] = []
    for own, index in zip(copy.store.indices, value.indices, strict=True):
        form = affine(index)
        if not isinstance(own, Var) or form is None:
            return None
        slope, rest = form.split(own)
        used = {item for item in walk(rest.to_expr()) if isinstance(item, Var)}
        if slope.to_expr() != Const(1) or used & {it.var for it in copy.block.iters}:
            return None
        offsets.append(rest.to_expr())
    return (value.buffer, tuple(offsets)) if _is_inside(condition, value, copy) else None


def _is_inside(condition: Expr | None, load: Load, copy: Stage) -> bool:
    """Whether ``condition`` holds, on the domain of ``copy``, exactly where ``load`` lies inside its buffer."""
    analyzer = Analyzer({it.var: (Const(0), it.extent) for it in copy.block.iters})
    ends = [
        end
        for index, extent in zip(load.indices, load.buffer.shape, strict=True)
        for end in (compare("ge", index, Const(0)), compare("lt", index, extent))
    ]
    for part in _parts(condition):
        if not any(analyzer.simplify(part) == analyzer.simplify(end) for end in ends):
            return False
        analyzer = analyzer.assume(part)
    return all(analyzer.prove(end) for end in ends)


def _parts(condition: Expr | None) -> list[Expr]:
    if condition is None:
        return []
    if isinstance(condition, Binary) and condition.op == "and":
        return [*_parts(condition.a), *_parts(condition.b)]
    return [condition]


def read_padded(source: Buffer, offsets: Sequence[Expr], indices: Sequence[Expr], known: Analyzer) -> Expr:
    """Return the element of ``source`` at ``indices`` plus ``offsets``, zero where that lies outside.

    Conditions that ``known`` proves are left out.
    """
    places = [known.simplify(add(index, offset)) for index, offset in zip(indices, offsets, strict=True)]
    condition: Expr | None = None
    for place, extent in zip(places, source.shape, strict=True):
        for end in (compare("ge", place, Const(0)), compare("lt", place, extent)):
            if not known.prove(end):
                condition = end if condition is None else Binary("and", condition, end)
    load = Load(source, tuple(places))
    return load if condition is None else Select(condition, load, Const(0, source.dtype))
