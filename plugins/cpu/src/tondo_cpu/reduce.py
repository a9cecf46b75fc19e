"""Nests with a reduction: along memory (rows) or across it (columns, windows).

* across: the innermost axis of the result is contiguous in the input too: it runs along the vectors, the
  accumulators stay in registers, the reduction loops are inside (column sums, pooling with the channels last);
* along: the reduction axis is the contiguous one: several vectors of partial results, combined at the end.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import LOCAL, Const, IterVar, Var
from tondo.passes import RuleContext
from tondo_cpu.contraction.schedule import Axes, apply_tile
from tondo_cpu.contraction.tile import Tile
from tondo_cpu.machine import BYTES_PER_SECOND, Machine
from tondo_cpu.padding import paddings_of
from tondo_cpu.regions import estimate, make_parallel
from tondo_cpu.strides import is_unit, stride_of
from tondo_cpu.vectors import vectorize_inner
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage
from tondo_schedule.primitives.combiner import update_of

_MAX_VECTORS = 4


def schedule_reduction(schedule: Schedule, stage: Stage, context: RuleContext) -> None:
    """Schedule the nest of a reduction stage."""
    machine = Machine.of(context.target, stage.output.dtype)
    vector = _across(schedule, stage)
    if vector is not None:
        _schedule_across(schedule, stage, vector, machine, paddings_across(schedule, stage, context))
        return
    name = stage.block.name
    spatial, reduced = _loops(stage)
    schedule.reorder(*spatial, *reduced)
    work = estimate_all(schedule, reduced) * stage.output.dtype.bytes / BYTES_PER_SECOND
    schedule_row(schedule, name, machine)
    if spatial:
        make_parallel(schedule, spatial, work, machine)


def paddings_across(schedule: Schedule, stage: Stage, context: RuleContext) -> tuple[str, ...]:
    """Return the stages that pad what ``stage`` reads and that its schedule may do without."""
    vector = _across(schedule, stage)
    if vector is None or not isinstance(schedule.analyzer().simplify(vector.extent), Const):
        return ()
    return paddings_of(schedule, stage, vector.var, context.target)[:1]


def _loops(stage: Stage) -> tuple[list[Var], list[Var]]:
    spatial = [it.binding for it in stage.spatial if isinstance(it.binding, Var)]
    reduced = [it.binding for it in stage.reduction if isinstance(it.binding, Var)]
    return spatial, reduced


def estimate_all(schedule: Schedule, loops: list[Var]) -> int:
    """Return the product of the extents of ``loops``, guessed where they are not constant."""
    total = 1
    for loop in loops:
        total *= estimate(schedule, loop)
    return total


def runs_across(schedule: Schedule, stage: Stage) -> bool:
    """Return whether vectors of neighbouring results are contiguous in all that the reduction ``stage`` reads."""
    return _across(schedule, stage) is not None


def _across(schedule: Schedule, stage: Stage) -> IterVar | None:
    """Return the spatial axis that is contiguous in the result and in every operand that has it."""
    last = stage.store.indices[-1] if stage.store.indices else None
    by_var = {it.var: it for it in stage.spatial}
    if not isinstance(last, Var) or last not in by_var:
        return None
    analyzer = schedule.analyzer()
    extent = analyzer.simplify(by_var[last].extent)
    if isinstance(extent, Const) and int(extent.value) < 4:
        return None
    strides = [stride_of(access.buffer, access.indices, last, analyzer) for access in stage.reads]
    if not any(is_unit(stride) for stride in strides):
        return None
    return by_var[last] if all(is_unit(stride) or stride == Const(0) for stride in strides) else None


def _schedule_across(
    schedule: Schedule, stage: Stage, vector: IterVar, machine: Machine, paddings: tuple[str, ...]
) -> None:
    name = stage.block.name
    spatial, reduced = _loops(stage)
    extent = schedule.analyzer().simplify(vector.extent)
    size = int(extent.value) if isinstance(extent, Const) else None
    lanes = machine.lanes
    if size is not None and size < lanes:
        lanes = 1 << (size.bit_length() - 1)
    count = _MAX_VECTORS if size is None else max(1, min(_MAX_VECTORS, size // lanes))
    while size is not None and count > 1 and size % (count * lanes):
        count -= 1
    loop = vector.binding
    assert isinstance(loop, Var)
    columns = lanes * (count if size is not None else 1)
    epilogue = schedule.cache_write(name, LOCAL)
    axes = Axes(loop, None, tuple(item for item in spatial if item != loop), (), tuple(reduced))
    narrowed = replace(machine, lanes=lanes)
    if size is None:
        other, other_epilogue = schedule.specialize((name, epilogue), loop.name, columns)
        apply_tile(schedule, other, other_epilogue, _renamed(schedule, axes, name, other), Tile(1, 1), 1, narrowed)
    padding = next(iter(paddings), None)
    apply_tile(schedule, name, epilogue, axes, Tile(1, max(1, columns // lanes)), columns, narrowed, padding)


def _renamed(schedule: Schedule, axes: Axes, block: str, other: str) -> Axes:
    """Return ``axes`` with the loops of another version of ``block``."""
    pairs = zip(schedule.block(block).iters, schedule.block(other).iters, strict=True)
    loops = {a.binding: b.binding for a, b in pairs if isinstance(a.binding, Var) and isinstance(b.binding, Var)}
    outer, depth = (tuple(loops[item] for item in items) for items in (axes.outer, axes.depth))
    return Axes(loops[axes.vector], None, outer, (), depth)


def schedule_row(schedule: Schedule, block: str, machine: Machine) -> None:
    """Vectorise the innermost reduction loop of ``block`` through partial results; other loops stay as they are."""
    node = schedule.block(block)
    update = update_of(node)
    reduced = {it.binding for it in node.iters if it.kind == "reduction"}
    loops = [loop for loop in schedule.loops(block) if loop in reduced]
    if update is None or not loops or schedule.loops(block)[-1] != loops[-1]:
        return
    inner = loops[-1]
    extent = schedule.extent(inner)
    size = int(extent.value) if isinstance(extent, Const) else None
    lanes = machine.lanes
    if size is not None and size < 4:
        return
    if size is not None and size < lanes:
        lanes = 1 << (size.bit_length() - 1)
    count = 1 if size is None else max(1, min(_MAX_VECTORS, size // (4 * lanes)))
    while size is not None and count > 1 and size % (count * lanes):
        count -= 1
    _, part = schedule.split(inner, lanes * count)
    made, combine = schedule.rfactor(block, part)
    schedule.set_scope(schedule.block(made).writes[0].buffer.name, LOCAL)
    first = next(loop for loop in schedule.loops(made) if loop in loops or loop.name.startswith(loops[0].name))
    start = schedule.decompose_reduction(made, first)
    vectorize_inner(schedule, part, lanes, unroll=True)
    vectorize_inner(schedule, schedule.loops(start)[-1], lanes, unroll=True)
    place = schedule.loops(block)
    if place[-1] == combine:
        schedule.decompose_reduction(block, combine)
        vectorize_inner(schedule, combine, lanes, unroll=True)
