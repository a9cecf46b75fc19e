"""``dots.rows``: sums of products along contiguous rows of both operands, by an instruction for that.

Recognised by facts alone. Of the function: two stages, a contraction ``t[i, j] += a[i, k] * b[j, k]`` and what follows
element by element. Of the instruction: ``c[l] += a[l, p] * b[l, p]``, compact operands of the same element types. Each
lane sums up its share of a row; a tile of results stays in registers, and the lanes are added up at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.ir import Const, DType, Load, TensorFunction, Var
from tondo.passes import Miss, RuleContext
from tondo.target import Intrinsic
from tondo_schedule import Schedule
from tondo_schedule.facts import Contraction, Stage, contraction_of, stages_of


@dataclass(frozen=True, slots=True)
class Dots:
    """An instruction that adds up ``pairs`` products in each of ``lanes`` sums."""

    instruction: Intrinsic
    lanes: int
    pairs: int


@dataclass(frozen=True, slots=True)
class RowDots:
    """Schedule sums of products along rows."""

    name: str = "dots.rows"
    priority: int = 400

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        stages = stages_of(function)
        if stages is None or len(stages) != 2 or stages[1].kind != "elementwise":
            return Miss("it is not a stage with what follows element by element")
        sums, last = stages
        product = sums.contraction
        if product is None or not _along_rows(product, sums):
            return Miss("it does not sum products along rows")
        sizes = [it.extent for it in sums.block.iters]
        if not all(isinstance(size, Const) for size in sizes):
            return Miss("its sizes are not known")
        rows, columns, depth = (int(size.value) for size in sizes if isinstance(size, Const))
        fitting = [
            dots
            for instruction in context.intrinsics
            if (dots := _dots(instruction, _types(product, sums))) is not None
            and depth % (dots.lanes * dots.pairs) == 0
        ]
        if not fitting:
            return Miss("the target has no instruction for such sums, or rows are no whole number of its operands")
        widest = max(fitting, key=lambda dots: dots.lanes * dots.pairs / dots.instruction.cost)
        height = context.choose("rows", (1, 2, 4, 8), prior=4, constraint=lambda size: rows % size == 0)
        width = context.choose("columns", (1, 2, 4), prior=2, constraint=lambda size: columns % size == 0)
        return _scheduled(Schedule(function, chooser=context), sums, last, widest, (height, width))


def _scheduled(schedule: Schedule, sums: Stage, last: Stage, dots: Dots, tile: tuple[int, int]) -> TensorFunction:
    name = sums.block.name
    *_, depth = schedule.loops(name)
    _, within = schedule.split(depth, dots.lanes * dots.pairs)
    lane, _ = schedule.split(within, dots.pairs)
    partial, _ = schedule.rfactor(name, lane)

    row, column = schedule.loops(last.block.name)
    (outer, beside), inner = schedule.tile((row, column), tile)
    schedule.compute_at(name, beside)
    schedule.compute_at(partial, beside)
    for block in (partial, name):
        schedule.set_scope(schedule.block(block).writes[0].buffer.name, "local")

    *_, down, across, step, lane, pair = schedule.loops(partial)
    schedule.reorder(step, down, across, lane, pair)
    start = schedule.decompose_reduction(partial, step)
    *_, start_down, start_across, start_lane = schedule.loops(start)
    schedule.vectorize(start_lane)
    schedule.tensorize(lane, dots.instruction)

    *_, sum_down, sum_across, added = schedule.loops(name)
    schedule.decompose_reduction(name, added)
    schedule.vectorize(added)
    for loop in (down, across, start_down, start_across, sum_down, sum_across, *inner):
        schedule.unroll(loop)
    schedule.parallel(outer)
    return schedule.result


def _along_rows(product: Contraction, sums: Stage) -> bool:
    """Return whether it is ``t[i, j] += a[i, k] * b[j, k]``."""
    if product.batch or not len(product.m) == len(product.n) == len(product.k) == 1:
        return False
    left, right, depth = product.m[0].var, product.n[0].var, product.k[0].var
    places = (product.left.indices, product.right.indices, sums.store.indices)
    return places == ((left, depth), (right, depth), (left, right))


def _types(product: Contraction, sums: Stage) -> tuple[DType, DType, DType]:
    return product.left.buffer.dtype, product.right.buffer.dtype, sums.output.dtype


def _dots(instruction: Intrinsic, types: Sequence[DType]) -> Dots | None:
    """Return ``instruction`` if it is ``c[l] += a[l, p] * b[l, p]`` of these element types."""
    stages = stages_of(instruction.semantics)
    product = contraction_of(stages[0].block) if stages and len(stages) == 1 else None
    if stages is None or product is None or product.m or product.n:
        return None
    if len(product.batch) != 1 or len(product.k) != 1 or _types(product, stages[0]) != tuple(types):
        return None
    lane, pair = product.batch[0], product.k[0]
    if not all(_indices(load) == (lane.var, pair.var) for load in (product.left, product.right)):
        return None
    if not isinstance(lane.extent, Const) or not isinstance(pair.extent, Const):
        return None
    return Dots(instruction, int(lane.extent.value), int(pair.extent.value))


def _indices(load: Load) -> tuple[Var, ...]:
    return tuple(index for index in load.indices if isinstance(index, Var))
