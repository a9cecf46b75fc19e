"""Layouts that suit a register tile.

Channels last: the dimensions of the spread operand that a reduction axis indexes plainly come innermost, those of the
result that run along the vectors likewise. With at most eight rows a tile reads such an operand as fast as a blocked
one, so no layout but this one is needed for values; only constant operands are packed into panels.
"""

from __future__ import annotations

from tondo.diagnostics import TondoError
from tondo.ir import Expr, Load, Var, walk
from tondo_cpu.contraction.prepare import intermediate
from tondo_schedule import IndexMap, Schedule
from tondo_schedule.facts import Contraction, contraction_of


def inner_dims(load: Load, contraction: Contraction) -> tuple[int, ...]:
    """Return the dimensions of an operand that should be innermost.

    These are its channels (reduction axes outside windows), or the axes that it shares with the other operand beside a
    window (the channels of a depthwise convolution).
    """
    depth, rows = {it.var for it in contraction.k}, {it.var for it in contraction.m}
    plain = tuple(
        place
        for place, index in enumerate(load.indices)
        if variables_of(index) & depth and not variables_of(index) & rows
    )
    if plain:
        return plain
    windowed = any(not isinstance(index, Var) and any(item in depth for item in walk(index)) for index in load.indices)
    shared = {it.var for it in contraction.batch}
    if not windowed:
        return ()
    return tuple(place for place, index in enumerate(load.indices) if isinstance(index, Var) and index in shared)


def variables_of(index: Expr) -> set[Var]:
    """Return the variables of an index."""
    return {item for item in walk(index) if isinstance(item, Var)}


def to_the_end(rank: int, inner: tuple[int, ...]) -> IndexMap:
    """Return the permutation that moves ``inner`` to the end."""
    return IndexMap.permutation([*(d for d in range(rank) if d not in inner), *inner])


def channels_last(schedule: Schedule, anchor: str) -> None:
    """Rearrange the left operand if the function computes it itself (a padded input)."""
    contraction = contraction_of(schedule.block(anchor))
    if contraction is None or not intermediate(schedule, contraction.left):
        return
    order = to_the_end(contraction.left.buffer.rank, inner_dims(contraction.left, contraction))
    if order.is_identity:
        return
    try:
        schedule.transform_layout(contraction.left.buffer.name, order)
    except TondoError:
        return
