"""``cpu.reduction``: reductions, pooling, and functions of rows such as softmax or layer norm.

Where all stages share leading axes (the rows) and each row needs nothing of another, all stages are computed row by
row: the row stays in the nearest cache, intermediates shrink to one row. Otherwise each stage is its own nest.
"""

from __future__ import annotations

from dataclasses import dataclass

from tondo.diagnostics import TondoError
from tondo.ir import TensorFunction, Var
from tondo.passes import Miss, RuleContext
from tondo_cpu.inline import inline_cheap
from tondo_cpu.machine import BYTES_PER_SECOND, FLOPS_PER_SECOND, Machine
from tondo_cpu.reduce import estimate_all, runs_across, schedule_row
from tondo_cpu.regions import make_parallel
from tondo_cpu.rest import schedule_rest
from tondo_cpu.vectors import vectorize_inner
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, stages_of


@dataclass(frozen=True, slots=True)
class ReductionRule:
    """Schedule functions whose stages are reductions and maps."""

    name: str = "cpu.reduction"
    priority: int = 200

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        stages = stages_of(function)
        if stages is None:
            return Miss("the function is not in compute form")
        if not any(stage.kind == "reduction" for stage in stages):
            return Miss("no stage is a reduction")
        other = next((stage for stage in stages if stage.kind in {"opaque", "contraction"}), None)
        if other is not None:
            return Miss(f"stage '{other.block.name}' is {other.kind}")
        schedule = Schedule(function)
        inline_cheap(schedule)
        saved = schedule.checkpoint()
        try:
            done = _by_rows(schedule, context)
        except TondoError:
            done = False
        if not done:
            schedule.rollback(saved)
            schedule_rest(schedule, context)
        return schedule.result


def _by_rows(schedule: Schedule, context: RuleContext) -> bool:
    """Compute all stages at the rows of the last one; return whether the function has that form."""
    stages = stages_of(schedule.function) or ()
    if len(stages) < 2 or len(schedule.function.output_buffers) != 1:
        return False
    last = stages[-1]
    shared = _row_axes(schedule, stages)
    if not shared:
        return False
    machine = Machine.of(context.target, last.output.dtype)
    rows = [loop.var for loop in last.loops[:shared]]
    work = sum(_seconds(schedule, stage, shared) for stage in stages)
    for stage in reversed(stages[:-1]):
        schedule.compute_at(stage.block.name, rows[-1])
    for stage in stages:
        _schedule_inside(schedule, stage, rows[-1], machine)
    make_parallel(schedule, rows, work, machine)
    return True


def _row_axes(schedule: Schedule, stages: tuple[Stage, ...]) -> int:
    """Return how many leading axes all stages share as rows; 0 for none, or if vectors would not be contiguous."""
    reductions = [stage for stage in stages if stage.kind == "reduction"]
    count = min(len(stage.spatial) for stage in stages)
    for stage in reductions:
        own = {it.var for it in stage.reduction}
        inner = [access.indices[-1] for access in stage.reads if access.indices]
        if runs_across(schedule, stage):
            return 0
        if not any(index in own for index in inner if isinstance(index, Var)):
            return 0
    for stage in stages:
        leading = stage.store.indices[:count]
        if tuple(it.binding for it in stage.block.iters[:count]) != tuple(loop.var for loop in stage.loops[:count]):
            return 0
        for access in stage.reads:
            if any(other.output == access.buffer for other in stages) and access.indices[:count] != leading:
                return 0
    return count


def _seconds(schedule: Schedule, stage: Stage, rows: int) -> float:
    loops = [loop.var for loop in stage.loops[rows:]]
    points = estimate_all(schedule, loops)
    return points * max(stage.operations / FLOPS_PER_SECOND, stage.output.dtype.bytes / BYTES_PER_SECOND)


def _schedule_inside(schedule: Schedule, stage: Stage, row: Var, machine: Machine) -> None:
    name = stage.block.name
    loops = schedule.loops(name)
    inner = loops[loops.index(row) + 1 :]
    if not inner:
        return
    if stage.kind == "reduction":
        schedule_row(schedule, name, machine)
    else:
        vectorize_inner(schedule, inner[-1], machine.lanes)
