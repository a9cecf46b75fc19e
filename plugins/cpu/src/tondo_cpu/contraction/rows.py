"""Rows of a panel in tiles of two heights: seven rows are a tile of four and one of three, not two of four.

Form of the nest, inside the loops over panels and over the other row axes::

    for tile in ..: height rows       accumulators, depth loops, epilogue
    for tile in ..: height - 1 rows   accumulators, depth loops, epilogue

Both read the same panel of the streamed operand while it is in the cache. Left as they are: rows of unknown number,
rows that tiles of one height fill about as well, and products whose other loops are too few for the threads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from tondo.diagnostics import TondoError
from tondo.ir import Const, Var
from tondo_cpu.contraction.tile import Tile, heights, uneven
from tondo_cpu.machine import Machine
from tondo_cpu.regions import estimate
from tondo_schedule import Schedule
from tondo_schedule.tree import loads_of, single_store

_SHARES = 4
"""Iterations of the loops around for each thread that share the work evenly enough."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The blocks and loops that compute some rows of a panel.

    Attributes:
        anchor: the contraction.
        epilogue: what follows it.
        row: the loop over the rows, None if there is a single one.
        depth: the reduction loops.
        inside: the loop over the columns of the panel.
        tile: the register tile.
    """

    anchor: str
    epilogue: str
    row: Var | None
    depth: tuple[Var, ...]
    inside: Var
    tile: Tile


def divided(schedule: Schedule, rows: Rows, outside: tuple[Var, ...], machine: Machine) -> tuple[Rows, ...]:
    """Divide ``rows`` inside the loops ``outside`` into those of the larger and those of the smaller tiles.

    Nothing happens, and there are no parts, where that does not pay.
    """
    extent = Const(1) if rows.row is None else schedule.extent(rows.row)
    if rows.row is None or not outside or not isinstance(extent, Const):
        return ()
    count = int(extent.value)
    if not uneven(rows.tile, count, machine):
        return ()
    shares = prod(estimate(schedule, loop) for loop in outside)
    if machine.threads > 1 and shares < _SHARES * machine.threads:
        return ()
    (high, tiles), (low, _) = heights(count, rows.tile.rows)
    saved = schedule.checkpoint()
    try:
        schedule.reorder(*outside, rows.row, *rows.depth, rows.inside)
        schedule.reverse_compute_at(rows.epilogue, outside[-1])
        names = (rows.anchor, rows.epilogue)
        anchor, epilogue = schedule.divide(names, (rows.row, _row_of(schedule, rows)), high * tiles)
    except TondoError:
        schedule.rollback(saved)
        return ()
    renamed = dict(zip(schedule.loops(rows.anchor), schedule.loops(anchor), strict=True))
    depth = tuple(renamed[loop] for loop in rows.depth)
    vectors = rows.tile.vectors
    return (
        replace(rows, tile=Tile(high, vectors)),
        Rows(anchor, epilogue, renamed[rows.row], depth, renamed[rows.inside], Tile(low, vectors)),
    )


def _row_of(schedule: Schedule, rows: Rows) -> Var:
    """Return the loop of the epilogue over the rows."""
    block, last = schedule.block(rows.anchor), schedule.block(rows.epilogue)
    store = single_store(block, "contraction")
    (row,) = (it.var for it in block.iters if it.binding == rows.row)
    (load,) = loads_of(last.body, store.buffer)
    own = load.indices[store.indices.index(row)]
    (loop,) = (it.binding for it in last.iters if it.var == own)
    assert isinstance(loop, Var)
    return loop
