"""The structure of a filter: transformations before and after a batched product.

Recognised by facts: the left operand of a contraction and what becomes of its result are stages whose formula is
chosen by the position along an axis (``select(p == 0, .., select(p == 1, ..))``), and the batch axes of the contraction
are those positions. Such a stage is straight-line code once the axis is written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tondo.ir import Binary, Buffer, Compare, Const, Expr, IterVar, Load, Select, Var, walk
from tondo_schedule.facts import Stage, consumers_of


@dataclass(frozen=True, slots=True)
class Filter:
    """The stages of a filter.

    Attributes:
        before: what transforms the left operand, in order; the last one writes it.
        product: the contraction.
        operand: the load of what ``before`` yields.
        weights: the other load of the product.
        columns: the axes of the product that index ``weights`` only.
        after: everything that depends on the product, in order; the last one writes the result of the function.
        points: the dimensions of the operand and of the product that are positions.
    """

    before: tuple[Stage, ...]
    product: Stage
    operand: Load
    weights: Load
    columns: tuple[IterVar, ...]
    after: tuple[Stage, ...]
    points: tuple[int, ...]

    @property
    def back(self) -> Stage:
        """The stage that brings the product into the order of the result."""
        return next(stage for stage in self.after if divided_axes(stage))


def filter_of(stages: Sequence[Stage], results: Sequence[Buffer]) -> Filter | None:
    """Return the structure of a function of ``stages`` with these ``results``; None if it is no filter."""
    anchors = [stage for stage in stages if stage.kind == "contraction"]
    if len(anchors) != 1 or len(results) != 1 or any(stage.kind in {"opaque", "reduction"} for stage in stages):
        return None
    (product,) = anchors
    contraction = product.contraction
    if contraction is None or not contraction.batch:
        return None
    operand, weights, columns = contraction.left, contraction.right, contraction.n
    if not any(stage.output == operand.buffer for stage in stages):
        operand, weights, columns = weights, operand, contraction.m
    before = _before(operand.buffer, stages)
    after = _after(product, stages)
    points = tuple(sorted(place for stage in before for place in _positions(stage)))
    batch = {it.var for it in contraction.batch}
    same = all(operand.indices[place] == product.store.indices[place] in batch for place in points)
    if not points or not after or not same or after[-1].output not in results or not _brought_back(after):
        return None
    return Filter(before, product, operand, weights, columns, after, points)


def _before(buffer: Buffer, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    found: list[Stage] = []
    while True:
        writers = [stage for stage in stages if stage.output == buffer]
        if len(writers) != 1 or not is_chosen(writers[0].store.value) or len(consumers_of(stages, buffer)) != 1:
            return tuple(reversed(found))
        found.append(writers[0])
        buffers = {access.buffer for access in writers[0].reads}
        if len(buffers) != 1:
            return ()
        (buffer,) = buffers


def _positions(stage: Stage) -> tuple[int, ...]:
    """Return the dimension along which the formula of ``stage`` is chosen by position."""
    value = stage.store.value
    assert isinstance(value, Select)
    assert isinstance(value.condition, Compare)
    return tuple(place for place, index in enumerate(stage.store.indices) if index == value.condition.a)


def _after(product: Stage, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    known = {product.output}
    found: list[Stage] = []
    for stage in stages:
        if known & {access.buffer for access in stage.reads} and stage is not product:
            found.append(stage)
            known.add(stage.output)
    return tuple(found)


def _brought_back(after: Sequence[Stage]) -> bool:
    """Whether one stage takes axes apart and all after it read its result, and theirs, element by element."""
    backs = [place for place, stage in enumerate(after) if divided_axes(stage)]
    if len(backs) != 1 or not all(is_chosen(stage.store.value) for stage in after[: backs[0]]):
        return False
    own = {stage.output for stage in after}
    patterns = {access.pattern for stage in after[backs[0] + 1 :] for access in stage.reads if access.buffer in own}
    return patterns <= {"identity"}


def is_chosen(value: Expr) -> bool:
    """Whether ``value`` is one of several formulas, by the position along an axis."""
    return (
        isinstance(value, Select)
        and isinstance(value.condition, Compare)
        and value.condition.op == "eq"
        and isinstance(value.condition.b, Const)
    )


def divided_axes(stage: Stage) -> dict[Var, int]:
    """Return the axes of ``stage`` that it takes apart into tiles, ``v // c`` and ``v % c``, with their ``c``."""
    own = {it.var for it in stage.spatial} - set(joined_axes(stage))
    return {
        item.a: int(item.b.value)
        for item in walk(stage.store.value)
        if isinstance(item, Binary)
        and item.op in {"floordiv", "floormod"}
        and isinstance(item.a, Var)
        and item.a in own
        and isinstance(item.b, Const)
    }


def joined_axes(stage: Stage) -> dict[Var, int]:
    """Return the axes of ``stage`` that are two neighbours, ``v // c, v % c``, of what it reads (groups), and ``c``."""
    found: dict[Var, int] = {}
    for access in stage.reads:
        for outer, inner in pairwise(access.indices):
            if (
                isinstance(inner, Binary)
                and inner.op == "floormod"
                and isinstance(inner.a, Var)
                and isinstance(inner.b, Const)
                and outer == Binary("floordiv", inner.a, inner.b)
            ):
                found[inner.a] = int(inner.b.value)
    return found
