"""Moves whose operands are contiguous along another axis than the result: transposes, shuffles of channels.

A tile of both axes is read in vectors along the one and written in vectors along the other; in between it is in
registers.
"""

from __future__ import annotations

from dataclasses import dataclass

from tondo.ir import LOCAL, Const, Expr, IterVar, Var, walk
from tondo_cpu.machine import BYTES_PER_SECOND, FLOPS_PER_SECOND, Machine
from tondo_cpu.regions import make_parallel
from tondo_cpu.strides import is_unit, stride_of
from tondo_cpu.vectors import split_tail
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage

_MOST = 4
"""Elements along each side of a tile; larger ones need more shuffles for each element."""
_STRIP = 256
"""Bytes read next to each other before the other axis moves on: whole cache lines, a few for the prefetcher."""
_LEAST = 2


@dataclass(frozen=True, slots=True)
class Sides:
    """The axes along which a stage reads and writes contiguous memory, and the extents of a tile along them."""

    read: IterVar
    write: IterVar
    read_tile: int
    write_tile: int


def sides_of(schedule: Schedule, stage: Stage, machine: Machine) -> Sides | None:
    """Return the two axes of ``stage`` if it is a transposition of some kind, else None."""
    if stage.block.predicate is not None or any(access.pattern == "gather" for access in stage.reads):
        return None
    analyzer = schedule.analyzer()

    def steps(var: Var) -> list[Expr | None]:
        return [stride_of(access.buffer, access.indices, var, analyzer) for access in stage.reads]

    along = [it for it in stage.spatial if is_unit(stride_of(stage.output, stage.store.indices, it.var, analyzer))]
    if len(along) != 1 or all(step in {Const(0), Const(1)} for step in steps(along[0].var)):
        return None
    (write,) = along
    reads = [
        it
        for it in stage.spatial
        if it is not write
        and all(step in {Const(0), Const(1)} for step in steps(it.var))
        and any(is_unit(step) for step in steps(it.var))
    ]
    if len(reads) != 1:
        return None
    (read,) = reads
    extents = [analyzer.simplify(it.extent) for it in (read, write)]
    if any(not isinstance(extent, Const) or int(extent.value) < _LEAST for extent in extents):
        return None
    most = min(_MOST, max(2, machine.lanes))
    tiles = [min(most, int(extent.value)) for extent in extents if isinstance(extent, Const)]
    return Sides(read, write, tiles[0], tiles[1])


def schedule_transposed(schedule: Schedule, stage: Stage, sides: Sides, machine: Machine) -> None:
    """Schedule ``stage`` in tiles of ``sides``."""
    name = stage.block.name
    written = schedule.cache_write(name, LOCAL)
    read, write = sides.read.binding, sides.write.binding
    assert isinstance(read, Var)
    assert isinstance(write, Var)
    others = [loop for loop in schedule.loops(name) if loop not in {read, write}]
    read_tiles, along = split_tail(schedule, read, sides.read_tile)
    write_tiles, across = split_tail(schedule, write, sides.write_tile)
    strip = max(1, _STRIP // (sides.read_tile * stage.output.dtype.bytes))
    around = [*others, write_tiles, read_tiles]
    if schedule.extent(write_tiles) != Const(1) and schedule.analyzer().prove(schedule.extent(read_tiles) > strip):
        strips, read_tiles = split_tail(schedule, read_tiles, strip)
        around = [*others, strips, write_tiles, read_tiles]
    schedule.reorder(*around, across, along)
    schedule.reverse_compute_at(written, around[-1])
    schedule.unroll(across)
    schedule.vectorize(along)
    inner = schedule.loops(written)[len(around) :]
    order = _by_axis(schedule, written, inner, stage, sides)
    schedule.reorder(*order)
    schedule.unroll(order[0])
    schedule.vectorize(order[1])
    bytes_moved = stage.output.dtype.bytes + sum(access.buffer.dtype.bytes for access in stage.reads)
    each = max(bytes_moved / BYTES_PER_SECOND, stage.operations / FLOPS_PER_SECOND)
    make_parallel(schedule, around, each * sides.read_tile * sides.write_tile, machine)


def _by_axis(schedule: Schedule, written: str, inner: tuple[Var, ...], stage: Stage, sides: Sides) -> tuple[Var, Var]:
    """Return the loops of the writing block along the read and the written axis of the tile."""
    places = {it.var: place for place, it in enumerate(_axes(stage))}
    iters = schedule.block(written).iters

    def loop(axis: IterVar) -> Var:
        binding = iters[places[axis.var]].binding
        return next(var for var in inner if any(item == var for item in walk(binding)))

    return loop(sides.read), loop(sides.write)


def _axes(stage: Stage) -> tuple[IterVar, ...]:
    """Return the iteration variables of ``stage`` in the order of the block that copies its cached result."""
    by_var = {it.var: it for it in stage.spatial}
    plain = [by_var[index] for index in stage.store.indices if isinstance(index, Var) and index in by_var]
    return tuple(plain) if len(plain) == len(stage.store.indices) else stage.spatial
