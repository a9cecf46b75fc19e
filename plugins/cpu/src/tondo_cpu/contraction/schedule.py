"""Apply a register tile to a prepared contraction.

The loops become, from the outside in::

    outer axes and panels (parallel) / remaining row axes / tiles of rows
        accumulators = 0
        depth loops:  rows x vectors x lanes multiply-adds: a declared instruction of the target, by its family
        epilogue: load accumulators, bias, residual, activation; one store

Rows and columns beyond the edge: tiles that do not divide their axis begin earlier (shifted); columns of a packed
operand are computed on its zero padding and only the epilogue is restricted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tondo.diagnostics import TondoError
from tondo.ir import Const, IterVar, Var
from tondo.target import Intrinsic
from tondo_cpu.contraction.roles import Roles, slides
from tondo_cpu.contraction.rows import Rows, divided
from tondo_cpu.contraction.tile import Tile
from tondo_cpu.machine import BYTES_PER_SECOND, FLOPS_PER_SECOND, Machine
from tondo_cpu.padding import read_through
from tondo_cpu.regions import estimate, make_parallel
from tondo_cpu.vectors import vectorize_inner, whole_vectors
from tondo_schedule import Schedule

_MOST_USES = 64
"""Tiles of rows up to which fetching the next panel pays."""
_WIDEST_WINDOW = 7
"""Taps of a window that are written out."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The loops of the contraction block by part."""

    vector: Var
    row: Var | None
    outer: tuple[Var, ...]
    rows: tuple[Var, ...]
    depth: tuple[Var, ...]
    window: Var | None = None
    """The innermost depth loop if it slides along the rows and both operands are read in vectors."""
    streamed: str | None = None
    """The buffer that is read in vectors if it has panels."""


def axes_of(schedule: Schedule, anchor: str, roles: Roles) -> Axes:
    """Return the loops that the variables of ``roles`` are bound to."""
    bindings = {it.var: it.binding for it in schedule.block(anchor).iters}

    def loop(it: IterVar) -> Var:
        binding = bindings[it.var]
        assert isinstance(binding, Var)
        return binding

    rows = tuple(loop(it) for it in roles.rows)
    depth = tuple(loop(it) for it in roles.depth)
    taps = constant(schedule, depth[-1]) if slides(roles) else None
    return Axes(
        loop(roles.vector),
        rows[0] if rows else None,
        tuple(loop(it) for it in roles.outer),
        tuple(reversed(rows[1:])),
        depth,
        depth[-1] if taps is not None and taps <= _WIDEST_WINDOW else None,
        None if roles.panel is None else roles.streamed.buffer.name,
    )


def constant(schedule: Schedule, loop: Var | None) -> int | None:
    """Return the extent of a loop if it is constant."""
    extent = None if loop is None else schedule.extent(loop)
    return int(extent.value) if isinstance(extent, Const) else None


def apply_tile(
    schedule: Schedule,
    anchor: str,
    epilogue: str,
    axes: Axes,
    tile: Tile,
    columns: int,
    machine: Machine,
    padding: str | None = None,
) -> None:
    """Tile, reorder, keep the accumulators in registers, place the epilogue, unroll, vectorise, run in parallel.

    ``columns`` counts the elements of one panel (vectors times lanes, or fewer where the axis is shorter). The stage
    ``padding`` is done without if that is possible (see :mod:`tondo_cpu.padding`). Rows that tiles of one height do
    not fill become tiles of two heights where that is faster (see :mod:`tondo_cpu.contraction.rows`).
    """
    panels, inside = _split_columns(schedule, axes.vector, columns)
    rows = Rows(anchor, epilogue, axes.row, axes.depth, inside, tile)
    outside = (*axes.outer, panels, *axes.rows)
    parts = divided(schedule, rows, outside, machine) if padding is None and axes.window is None else ()
    if parts:
        tiles = tuple(loop for part in parts for loop in _tile_rows(schedule, part, (), (), columns, machine))
        around = outside
    else:
        # Windows that both operands are read in have few weights: all panels of a row stay near.
        near = axes.window is not None
        before, after = ((*axes.outer, *axes.rows), (panels,)) if near else (outside, ())
        written_out = padding is not None or near
        tiles = _tile_rows(schedule, rows, before, after, columns, machine, written_out=written_out)
        around = (*before, *tiles, *after)
    count = max(1, sum(constant(schedule, loop) or 1 for loop in tiles))
    depth = _work(schedule, axes.depth)
    streamed = depth * columns * schedule.block(epilogue).writes[0].buffer.dtype.bytes / count
    work = max(depth * tile.rows * columns * 2 / FLOPS_PER_SECOND, streamed / BYTES_PER_SECOND)
    if axes.window is not None:
        schedule.unroll(axes.window)
    _stream(schedule, axes, panels, tiles)
    counts = [estimate(schedule, loop) for loop in around]
    nested = None if padding is None else read_through(schedule, anchor, padding, around, known=axes.window is not None)
    inner = prod(counts[nested:] if nested is not None else ()) * (count if parts else 1)
    make_parallel(schedule, around[:nested], work * inner, machine)


def _tile_rows(
    schedule: Schedule,
    rows: Rows,
    before: tuple[Var, ...],
    after: tuple[Var, ...],
    columns: int,
    machine: Machine,
    *,
    written_out: bool = False,
) -> tuple[Var, ...]:
    """Make register tiles of ``rows``, whose loop comes between ``before`` and ``after``; return that loop if any."""
    lanes = min(machine.lanes, columns)
    tiles: tuple[Var, ...] = ()
    unrolled: list[Var] = []
    if rows.row is not None:
        row_tiles, row = _split_rows(schedule, rows.row, rows.tile.rows)
        tiles = (row_tiles,)
        unrolled.append(row)
    vectors, lane = schedule.split(rows.inside, lanes, "shift") if columns > lanes else (None, rows.inside)
    if vectors is not None:
        unrolled.append(vectors)
    schedule.reorder(*before, *tiles, *after, *rows.depth, *unrolled, lane)
    place = (*before, *tiles, *after)[-1]
    schedule.reverse_compute_at(rows.epilogue, place)
    start = schedule.decompose_reduction(rows.anchor, rows.depth[0])
    _unroll_start(schedule, start, place)
    instruction = None if written_out else _instruction(machine, lanes, rows.tile, columns)
    _multiply_add(schedule, (*unrolled, lane), instruction)
    _epilogue_loops(schedule, rows.epilogue, place, machine)
    return tiles


def _stream(schedule: Schedule, axes: Axes, panels: Var, tiles: tuple[Var, ...]) -> None:
    """Let the next panel come while this one is multiplied with its few ``tiles`` of rows.

    Otherwise the first tile waits for memory, and all that follow leave it idle. With many tiles that does not weigh,
    and of a single one memory is the limit anyhow. Only parameters come from memory: panels that are packed here are
    in a cache.
    """
    if axes.streamed is None or all(buffer.name != axes.streamed for buffer in schedule.function.buffers):
        return
    around = [constant(schedule, loop) or _MOST_USES for loop in axes.rows]
    uses = prod(around) * sum(constant(schedule, loop) or _MOST_USES + 1 for loop in tiles)
    if not 1 < uses <= _MOST_USES:
        return
    saved = schedule.checkpoint()
    try:
        schedule.prefetch(axes.streamed, panels, axes.depth[-1])
    except TondoError:
        schedule.rollback(saved)


def _instruction(machine: Machine, lanes: int, tile: Tile, columns: int) -> Intrinsic | None:
    if machine.tiles is None or columns % lanes:
        return None
    return machine.tiles.member(lanes, tile.rows, columns // lanes)


def _multiply_add(schedule: Schedule, loops: tuple[Var, ...], instruction: Intrinsic | None) -> None:
    """Make the tile inside the depth loops the instruction; what is none (masks, casts) is written out in vectors."""
    if instruction is not None:
        saved = schedule.checkpoint()
        try:
            schedule.tensorize(loops[0], instruction)
        except TondoError:
            schedule.rollback(saved)
        else:
            return
    for loop in loops[:-1]:
        schedule.unroll(loop)
    schedule.vectorize(loops[-1])


def _split_columns(schedule: Schedule, loop: Var, columns: int) -> tuple[Var, Var]:
    extent = schedule.extent(loop)
    known = isinstance(extent, Const) and int(extent.value) >= columns
    shift = known or schedule.analyzer().prove(extent >= columns)
    return schedule.split(loop, columns, "shift" if shift else "predicate")


def _split_rows(schedule: Schedule, loop: Var, rows: int) -> tuple[Var, Var]:
    if rows == 1:
        return schedule.split(loop, 1)
    shift = schedule.analyzer_at(loop).prove(schedule.extent(loop) >= rows)
    return schedule.split(loop, rows, "shift" if shift else "predicate")


def _work(schedule: Schedule, depth: tuple[Var, ...]) -> int:
    total = 1
    for loop in depth:
        total *= constant(schedule, loop) or 64
    return total


def _unroll_start(schedule: Schedule, block: str, place: Var) -> None:
    loops = schedule.loops(block)
    inner = loops[loops.index(place) + 1 :]
    for loop in inner[:-1]:
        schedule.unroll(loop)
    if inner:
        schedule.vectorize(inner[-1])


def _epilogue_loops(schedule: Schedule, block: str, place: Var, machine: Machine) -> None:
    loops = schedule.loops(block)
    inner = loops[loops.index(place) + 1 :]
    if not inner:
        return
    if isinstance(schedule.extent(inner[-1]), Const) and schedule.block(block).predicate is None:
        whole_vectors(schedule, inner[-1], machine.lanes)
    else:
        vectorize_inner(schedule, inner[-1], machine.lanes, unroll=True)
    for loop in inner[:-1]:
        schedule.unroll(loop)
