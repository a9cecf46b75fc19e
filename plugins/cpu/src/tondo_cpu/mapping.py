"""Nests without a reduction: elementwise chains, copies, transposes, padding, gathers.

Axes that lie next to each other in every access become one; the innermost one is vectorised, the outer ones are shared
between threads if the work pays.
"""

from __future__ import annotations

from tondo.ir import Const, DType, IterVar, Load, Node, Var, mul
from tondo.passes import RuleContext
from tondo_cpu.linear import by_stride, split_divided_axes
from tondo_cpu.machine import BYTES_PER_SECOND, FLOPS_PER_SECOND, Machine
from tondo_cpu.regions import make_parallel
from tondo_cpu.strides import stride_of
from tondo_cpu.transpose import schedule_transposed, sides_of
from tondo_cpu.vectors import vectorize_inner
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, stage_of
from tondo_schedule.tree import block_place, nest_of


def schedule_map(schedule: Schedule, stage: Stage, context: RuleContext) -> None:
    """Schedule the nest of ``stage``, whose store has plain indices."""
    machine = Machine.of(context.target, _widest(stage))
    split_divided_axes(schedule, stage.block.name)
    stage = stage_of(nest_of(block_place(schedule.function, stage.block.name)).node) or stage
    sides = sides_of(schedule, stage, machine)
    if sides is not None:
        schedule_transposed(schedule, stage, sides, machine)
        return
    loops = collapse(schedule, stage)
    if not loops:
        return
    inner = loops[-1]
    outer, _ = vectorize_inner(schedule, inner, machine.lanes)
    around = [*loops[:-1], *([outer] if outer is not None else [])]
    bytes_moved = stage.output.dtype.bytes + sum(access.buffer.dtype.bytes for access in stage.reads)
    each = max(bytes_moved / BYTES_PER_SECOND, stage.operations / FLOPS_PER_SECOND)
    size = schedule.extent(inner if outer is None else around[-1])
    count = int(size.value) if outer is None and isinstance(size, Const) else machine.lanes
    if around:
        make_parallel(schedule, around, each * count, machine)


def _widest(stage: Stage) -> DType:
    types = [stage.output.dtype, *(access.buffer.dtype for access in stage.reads)]
    return max(types, key=lambda dtype: dtype.bits)


def collapse(schedule: Schedule, stage: Stage) -> list[Var]:
    """Fuse neighbouring loops of the stage that every access crosses like one; return the loops that remain.

    The loops are first brought into the order of the store.
    """
    own = list(schedule.loops(stage.block.name))
    iters = {it.var: it for it in stage.block.iters}
    order = [iters[var] for index in stage.store.indices for var in by_stride(index) if var in iters]
    loops = [it.binding for it in order if isinstance(it.binding, Var)]
    if not own or len(loops) != len(own) or set(loops) != set(own):
        return own
    if loops != own:
        schedule.reorder(*loops)
    groups: list[list[int]] = [[0]]
    for place in range(1, len(order)):
        if _joined(schedule, stage, order[place - 1], order[place]):
            groups[-1].append(place)
        else:
            groups.append([place])
    return [schedule.fuse(*(loops[place] for place in group)) for group in groups]


def _joined(schedule: Schedule, stage: Stage, outer: IterVar, inner: IterVar) -> bool:
    """Whether every access crosses the two axes like one, and nothing else depends on them."""
    analyzer = schedule.analyzer()
    if _outside_indices(stage.store.value, {outer.var, inner.var}):
        return False
    accesses = [(stage.output, stage.store.indices), *((access.buffer, access.indices) for access in stage.reads)]
    for buffer, indices in accesses:
        first = stride_of(buffer, indices, outer.var, analyzer)
        second = stride_of(buffer, indices, inner.var, analyzer)
        if first is None or second is None or not analyzer.prove(first.eq(mul(second, inner.extent))):
            return False
    return True


def _outside_indices(value: Node, variables: set[Var]) -> bool:
    """Whether one of ``variables`` occurs in ``value`` other than in the indices of a load."""
    if isinstance(value, Load):
        return value.predicate is not None and _outside_indices(value.predicate, variables)
    if isinstance(value, Var):
        return value in variables
    return any(_outside_indices(child, variables) for child in value.children())
