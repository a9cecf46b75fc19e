"""Row chains: two contractions with functions of rows in between, such as attention.

``S[rows, j] = sum A[.., k] * B[.., j, k]``, then stages that compute along ``j`` row by row (scale, mask, maximum,
exponential, sum, quotient ...), then ``O[rows, w] = sum_j P[rows, j] * C[.., j, w]``. Since nothing in between crosses
rows, a few rows of ``S`` suffice at a time: the whole of it need not exist.

Recognised from index maps: every buffer in between is indexed by whole rows and by the column ``j`` alone, every
reduction in between runs over all of ``j``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.arith import Analyzer
from tondo.ir import Block, Buffer, Expr, IterVar, Load, Store, Var, is_const, walk
from tondo_schedule.facts.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMN: Final = -1
"""The place of a dimension along which a row runs."""
UNIT: Final = -2
"""The place of a dimension of extent one."""


@dataclass(frozen=True, slots=True)
class RowChain:
    """The parts of a row chain.

    Attributes:
        first: the contraction that makes the rows.
        middle: what is computed of the rows, in order.
        last: the contraction that sums over the columns.
        after: elementwise stages and permutations of the result, in order.
        rows: the row axes, as iteration variables of ``last``.
        column: the axis along a row, as the reduction variable of ``last``.
        width: the other axis of the result.
        tile: the row axis that neither operand ``keys`` nor ``values`` has, by its number in ``rows``; None if none.
        places: for every buffer in between, what each dimension is: the number of a row axis, COLUMN or UNIT.
        queries: the operand of ``first`` without the column.
        keys: the operand of ``first`` with it.
        values: the operand of ``last`` beside the rows.
    """

    first: Stage
    middle: tuple[Stage, ...]
    last: Stage
    after: tuple[Stage, ...]
    rows: tuple[IterVar, ...]
    column: IterVar
    width: IterVar
    tile: int | None
    places: Mapping[Buffer, tuple[int, ...]]
    queries: Load
    keys: Load
    values: Load

    def variables(self, stage: Stage) -> dict[Var, int]:
        """Return what each spatial variable of ``stage`` (``first`` or of ``middle``) is; its reduction is COLUMN."""
        found = _axes(stage, self.places[stage.output]) or {}
        if stage is not self.first:
            found |= {it.var: COLUMN for it in stage.reduction}
        return found


def row_chain_of(stages: Sequence[Stage], known: Analyzer | None = None) -> RowChain | None:
    """Return the row chain that ``stages`` form; None if they are something else.

    Args:
        stages: all stages of a function, in order.
        known: what is known about dimensions.
    """
    spots = [spot for spot, stage in enumerate(stages) if stage.kind == "contraction"]
    if len(spots) != 2 or spots[0] != 0:
        return None
    first, middle, last = stages[0], tuple(stages[1 : spots[1]]), stages[spots[1]]
    after = tuple(stages[spots[1] + 1 :])
    made = {stage.output for stage in (first, *middle)}
    if len(last.reduction) != 1 or not (_from_zero(first.block) and _from_zero(last.block)):
        return None
    ends = _operands(last, made)
    if ends is None or not _follow(last, after):
        return None
    rows_load, values = ends
    axes = {it.var: it for it in last.block.iters}
    (column,) = last.reduction
    own = [axes.get(index) for index in rows_load.indices if isinstance(index, Var)]
    rows = tuple(it for it in own if it is not None and it != column)
    width = [it for it in last.spatial if it not in rows]
    if len(own) != rows_load.buffer.rank or len(set(own)) != len(own) or len(rows) != len(own) - 1 or len(width) != 1:
        return None
    numbers = {it.var: number for number, it in enumerate(rows)} | {column.var: COLUMN}
    start = tuple(numbers[index] for index in rows_load.indices if isinstance(index, Var))
    places = _places({rows_load.buffer: start}, (first, *middle), column.extent, known or Analyzer())
    if places is None:
        return None
    sides = _sides(first, places[first.output])
    if sides is None or {sides[0].buffer, sides[1].buffer, values.buffer} & made:
        return None
    shared = {number for var, number in _variables_of(first, places).items() if uses(sides[1], var)}
    shared |= {number for number, it in enumerate(rows) if uses(values, it.var)}
    free = [number for number in range(len(rows)) if number not in shared]
    tile = free[-1] if free else None
    return RowChain(first, middle, last, after, rows, column, width[0], tile, places, *sides, values)


def uses(load: Load, var: Var) -> bool:
    """Whether ``var`` occurs in the indices of ``load``."""
    return any(item == var for index in load.indices for item in walk(index))


def _from_zero(block: Block) -> bool:
    return isinstance(block.init, Store) and is_const(block.init.value, 0)


def _operands(last: Stage, made: set[Buffer]) -> tuple[Load, Load] | None:
    """Return the operand of ``last`` that is in between, and the other one."""
    contraction = last.contraction
    assert contraction is not None
    inner = [load for load in (contraction.left, contraction.right) if load.buffer in made]
    outer = [load for load in (contraction.left, contraction.right) if load.buffer not in made]
    return (inner[0], outer[0]) if len(inner) == 1 else None


def _follow(last: Stage, after: Sequence[Stage]) -> bool:
    """Whether every stage of ``after`` reads the one before it at its own point, in any order of the axes."""
    before = last
    for stage in after:
        reads = stage.reads_of(before.output)
        if stage.kind not in {"elementwise", "injective"} or len(reads) != 1:
            return False
        indices = [index for index in reads[0].indices if not is_const(index, 0)]
        spatial = {it.var for it in stage.spatial if not is_const(it.extent, 1)}
        if not all(isinstance(index, Var) for index in indices) or len(set(indices)) != len(indices):
            return False
        if not spatial <= set(indices):
            return False
        before = stage
    return True


def _places(
    known_places: dict[Buffer, tuple[int, ...]], stages: Sequence[Stage], column: Expr, known: Analyzer
) -> dict[Buffer, tuple[int, ...]] | None:
    """Return the places of the dimensions of everything that ``stages`` write, from the last reader to the first."""
    made = {stage.output for stage in stages}
    for stage in reversed(stages):
        if stage.output not in known_places:
            return None
        axes = _axes(stage, known_places[stage.output])
        if axes is None:
            return None
        if stage is stages[0]:
            return known_places if COLUMN in axes.values() else None
        if stage.kind not in {"elementwise", "injective", "reduction"} or not _reduces_rows(stage, axes, column, known):
            return None
        axes |= {it.var: COLUMN for it in stage.reduction}
        for access in stage.reads:
            if access.buffer not in made:
                continue
            place = _place_of(access.indices, axes)
            if place is None or known_places.setdefault(access.buffer, place) != place:
                return None
    return None


def _reduces_rows(stage: Stage, axes: Mapping[Var, int], column: Expr, known: Analyzer) -> bool:
    """Whether ``stage`` has no reduction, or one over the whole row."""
    if stage.kind != "reduction":
        return True
    if len(stage.reduction) != 1 or COLUMN in axes.values():
        return False
    return known.prove(stage.reduction[0].extent.eq(column))


def _axes(stage: Stage, places: tuple[int, ...]) -> dict[Var, int] | None:
    """Return what each spatial variable of ``stage`` is, given what the dimensions of its result are."""
    found: dict[Var, int] = {}
    for index, place in zip(stage.store.indices, places, strict=True):
        if isinstance(index, Var):
            found[index] = place
        elif place != UNIT:
            return None
    return found if set(found) == {it.var for it in stage.spatial} else None


def _place_of(indices: Sequence[Expr], axes: Mapping[Var, int]) -> tuple[int, ...] | None:
    found: list[int] = []
    for index in indices:
        if isinstance(index, Var) and index in axes:
            found.append(axes[index])
        elif is_const(index, 0):
            found.append(UNIT)
        else:
            return None
    real = [place for place in found if place != UNIT]
    return tuple(found) if len(set(real)) == len(real) else None


def _variables_of(stage: Stage, places: Mapping[Buffer, tuple[int, ...]]) -> dict[Var, int]:
    return _axes(stage, places[stage.output]) or {}


def _sides(first: Stage, places: tuple[int, ...]) -> tuple[Load, Load] | None:
    """Return the operand of ``first`` without the column and the one with it."""
    contraction = first.contraction
    axes = _axes(first, places)
    assert contraction is not None
    if axes is None:
        return None
    column = next((var for var, place in axes.items() if place == COLUMN), None)
    if column is None:
        return None
    with_column = [load for load in (contraction.left, contraction.right) if uses(load, column)]
    without = [load for load in (contraction.left, contraction.right) if not uses(load, column)]
    return (without[0], with_column[0]) if len(without) == 1 else None
