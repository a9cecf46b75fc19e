"""Windows that read their image where it is, without a padded copy.

Before, with ``padded`` a stage of its own that writes the whole image once more::

    padded[h, w, c] = select(inside(h, w), image[h, w, c], 0)
    for y, tile: ...  padded[y + p, x + q, c] ...

After, the loop over tiles in three parts, of which the middle one needs no condition on ``w``::

    for y:
        for tile in first:  ... select(inside(h, w), image[..], 0) ...
        for tile in inside: ... select(inside(h), image[..], 0) ...
        for tile in last:   ... select(inside(h, w), image[..], 0) ...

Conditions are the same for all lanes, as the vectors run along an axis that is not padded: a load that is masked as a
whole. Refused where the machine has no masked loads, for more than one reader, and where most tiles touch the border:
such images are small, and their copy stays in the cache.
"""

from __future__ import annotations

from tondo.diagnostics import TondoError
from tondo.ir import Binary, Block, Const, Expr, Load, Select, Var, substitute, walk
from tondo.target import Target
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, stages_of
from tondo_schedule.tree import loads_of

_MASKED_BITS = 256
"""Vectors at least this wide come with masked loads."""
_FEW = 3
"""Iterations that may all be parts of their own."""


def paddings_of(schedule: Schedule, user: Stage, vector: Var, target: Target) -> tuple[str, ...]:
    """Return the stages that pad what ``user`` reads, itself alone, in vectors along its variable ``vector``."""
    if target.vector_bits < _MASKED_BITS:
        return ()
    return tuple(
        stage.block.name
        for stage in stages_of(schedule.function) or ()
        if _pads(stage) and _readers(schedule, stage) == [user.block.name] and _along(stage, user, vector)
    )


def _pads(stage: Stage) -> bool:
    """Whether the stage chooses between one element of a parameter and a constant."""
    value = stage.store.value
    plain = all(isinstance(index, Var) for index in stage.store.indices)
    return (
        stage.kind in {"elementwise", "injective"}
        and plain
        and stage.block.predicate is None
        and isinstance(value, Select)
        and isinstance(value.a, Load)
        and isinstance(value.b, Const)
    )


def _readers(schedule: Schedule, stage: Stage) -> list[str]:
    return [name for name in schedule.blocks if loads_of(schedule.block(name).body, stage.output)]


def _along(stage: Stage, user: Stage, vector: Var) -> bool:
    """Whether ``user`` reads the stage once, with ``vector`` alone in its last index, which the stage does not pad."""
    loads = loads_of(user.block.body, stage.output)
    if len(loads) != 1 or loads[0].indices[-1] != vector:
        return False
    if any(item == vector for index in loads[0].indices[:-1] for item in walk(index)):
        return False
    last, value = stage.store.indices[-1], stage.store.value
    assert isinstance(value, Select)
    return all(item != last for item in walk(value.condition))


def read_through(
    schedule: Schedule, block: str, padding: str, around: tuple[Var, ...], *, known: bool = False
) -> int | None:
    """Let ``block`` read what ``padding`` pads, and run the innermost loop that decides where the border is in parts.

    Args:
        schedule: what to change.
        block: the reader, tiled.
        padding: the stage to do without; its nest is gone afterwards.
        around: the loops around the register tile, outermost first.
        known: whether the tile is written out so far that the conditions are known in a single iteration.

    Returns:
        How many of ``around`` are nested in each other still, outermost first; None if nothing has changed.
    """
    saved = schedule.checkpoint()
    try:
        schedule.compute_inline(padding)
        place = _in_parts(schedule, block, around, known=known)
    except TondoError:
        place = None
    if place is None:
        schedule.rollback(saved)
    return place


def _in_parts(schedule: Schedule, block: str, around: tuple[Var, ...], *, known: bool) -> int | None:
    conditions = _conditions(schedule.block(block))
    place = next((i for i in reversed(range(len(around))) if any(_uses(item, around[i]) for item in conditions)), None)
    inside = None if place is None else _inside(schedule, block, around[place], conditions, known=known)
    if place is None or inside is None:
        return None
    first, end, extent = inside
    if end < extent:
        schedule.partition(around[place], end)
    if first:
        schedule.partition(around[place], first)
    return place


def _conditions(block: Block) -> list[Expr]:
    """Return the conditions of the values that ``block`` chooses between, over loops."""
    bindings = {it.var: it.binding for it in block.iters}
    return [
        substitute(part, bindings)
        for item in walk(block.body)
        if isinstance(item, Select) and isinstance(item.b, Const)
        for part in _parts(item.condition)
    ]


def _parts(condition: Expr) -> list[Expr]:
    if isinstance(condition, Binary) and condition.op == "and":
        return [*_parts(condition.a), *_parts(condition.b)]
    return [condition]


def _uses(condition: Expr, loop: Var) -> bool:
    return any(item == loop for item in walk(condition))


def _inside(
    schedule: Schedule, block: str, loop: Var, conditions: list[Expr], *, known: bool
) -> tuple[int, int, int] | None:
    """Return the first iteration of ``loop`` away from the border, the one after the last such, and the extent.

    None if there are no such iterations or they are the smaller part. Of a few iterations whose conditions are
    ``known``, each may be a part of its own.
    """
    extent = schedule.extent(loop)
    if not isinstance(extent, Const):
        return None
    count = int(extent.value)
    if known and count <= _FEW:
        return int(count > 2), max(1, count - 1), count
    analyzer = schedule.analyzer_at(schedule.loops(block)[-1])
    own = [item for item in conditions if _uses(item, loop)]

    def free(iteration: int) -> bool:
        return all(analyzer.prove(substitute(item, {loop: Const(iteration, loop.dtype)})) for item in own)

    most = count // 2
    first = next((i for i in range(most) if free(i)), None)
    last = next((i for i in reversed(range(count - most, count)) if free(i)), None)
    if first is None or last is None or 2 * (last + 1 - first) < count:
        return None
    return first, last + 1, count
