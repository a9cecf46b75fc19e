"""Schedule the transformations of a filter: all points of one tile, for one vector of channels, in registers.

Form of the nest before the product (after it likewise)::

    for tile, vector of channels:            shared by threads
        for x, p unrolled: inputs0[p, x]     local: sums along the first axis, a column at a time
        for p, q unrolled: inputs1[p, q]     sums of these along the second
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Const, Var
from tondo_cpu.filtering.structure import Filter, divided_axes, joined_axes
from tondo_cpu.machine import BYTES_PER_SECOND, FLOPS_PER_SECOND, Machine
from tondo_cpu.regions import make_parallel
from tondo_cpu.vectors import split_tail
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage

_OPERATIONS = 4
"""Additions and multiplications for each point and stage, about."""


def schedule_before(schedule: Schedule, found: Filter, machine: Machine) -> None:
    """Schedule what transforms the operand of the product."""
    last = found.before[-1]
    loops = [_loop(schedule, last.block.name, index) for index in last.store.indices if isinstance(index, Var)]
    points = [loops[place] for place in found.points]
    around = [loop for place, loop in enumerate(loops) if place not in found.points]
    _nest(schedule, found.before, around, points, found, machine)


def schedule_after(schedule: Schedule, found: Filter, machine: Machine) -> None:
    """Schedule what brings the product back, and everything after it."""
    divided, joined = divided_axes(found.back), joined_axes(found.back)
    name = found.after[-1].block.name
    axes: list[tuple[Var, int]] = []
    for index, own in zip(found.back.store.indices, found.after[-1].store.indices, strict=True):
        assert isinstance(index, Var)
        assert isinstance(own, Var)
        parts = schedule.split_axis(name, own, joined[index]) if index in joined else (own,)
        axes.extend((part, divided.get(index, 1)) for part in parts)
    around: list[Var] = []
    inside: list[Var] = []
    for loop, size in [(_loop(schedule, name, axis), size) for axis, size in axes]:
        tile, *within = schedule.split(loop, size) if size > 1 else (loop,)
        around.append(tile)
        inside.extend(within)
    _nest(schedule, found.after, around, inside, found, machine)


def _loop(schedule: Schedule, block: str, var: Var) -> Var:
    """Return the loop that the iteration variable ``var`` of ``block`` is bound to."""
    (binding,) = (it.binding for it in schedule.block(block).iters if it.var == var)
    assert isinstance(binding, Var)
    return binding


def _nest(
    schedule: Schedule,
    stages: Sequence[Stage],
    around: Sequence[Var],
    points: Sequence[Var],
    found: Filter,
    machine: Machine,
) -> None:
    """Make one nest of ``stages``: the loops ``around`` (channels last) of the last one, its ``points`` written out."""
    outer, lane = _vectors(schedule, around[-1], machine)
    shared = [*around[:-1], outer]
    schedule.reorder(*shared, *points, lane)
    for stage in reversed(stages[:-1]):
        _compute_inside(schedule, stage.block.name, outer)
    for loop in points:
        schedule.unroll(loop)
    schedule.vectorize(lane)
    make_parallel(schedule, shared, _seconds(stages, found, machine), machine)


def _vectors(schedule: Schedule, loop: Var, machine: Machine) -> tuple[Var, Var]:
    extent = schedule.extent(loop)
    size = int(extent.value) if isinstance(extent, Const) else machine.lanes
    return split_tail(schedule, loop, min(machine.lanes, 1 << (size.bit_length() - 1)))


def _compute_inside(schedule: Schedule, block: str, at: Var) -> None:
    """Compute ``block`` inside ``at``, written out, its first axis innermost: so it reads its operands in turn."""
    schedule.compute_at(block, at)
    loops = schedule.loops(block)
    *small, lane = loops[loops.index(at) + 1 :]
    schedule.reorder(*reversed(small), lane)
    for loop in small:
        schedule.unroll(loop)
    schedule.vectorize(lane)


def _seconds(stages: Sequence[Stage], found: Filter, machine: Machine) -> float:
    """Return the time of one tile and vector."""
    elements = machine.lanes
    for place in found.points:
        extent = found.product.output.shape[place]
        elements *= int(extent.value) if isinstance(extent, Const) else 1
    bytes_moved = 2 * elements * found.product.output.dtype.bytes
    return max(_OPERATIONS * elements * len(stages) / FLOPS_PER_SECOND, bytes_moved / BYTES_PER_SECOND)
