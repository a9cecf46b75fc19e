"""``cpu.filtering``: products of transformed tiles (minimal filtering) and their transformations.

Three nests: the input is brought into transformed coordinates, a vector of channels of one tile at a time, all of its
points in registers; the products of all points are an ordinary batched contraction; its result is brought back the same
way, together with everything elementwise that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.diagnostics import TondoError
from tondo.ir import LOCAL, TensorFunction
from tondo.passes import Miss, RuleContext
from tondo.target import Target
from tondo_cpu.contraction.rule import schedule_contraction
from tondo_cpu.filtering.cost import fastest
from tondo_cpu.filtering.structure import Filter, filter_of
from tondo_cpu.filtering.transform import schedule_after, schedule_before
from tondo_cpu.filtering.wishes import wishes
from tondo_cpu.inline import inline_cheap
from tondo_cpu.machine import Machine
from tondo_cpu.rest import schedule_rest
from tondo_schedule import LayoutWish, Schedule
from tondo_schedule.facts import SlidingProduct, stages_of


@dataclass(frozen=True, slots=True)
class FilteringRule:
    """Schedule filters, and say when they pay."""

    name: str = "cpu.filtering"
    priority: int = 310

    def filtering(self, problem: SlidingProduct, choices: Sequence[tuple[int, ...]], target: Target) -> tuple[int, ...]:
        """Return the fastest of ``choices``; see :mod:`tondo_cpu.filtering.cost`."""
        return fastest(problem, choices, target)

    def wishes(self, function: TensorFunction, target: Target) -> tuple[LayoutWish, ...]:
        """Return the wished arrangements; see :mod:`tondo_cpu.filtering.wishes`."""
        return wishes(function, target)

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        found = _filter(Schedule(function))
        if found is None:
            return Miss("no transformations around a batched product")
        schedule = Schedule(function)
        inline_cheap(schedule)
        found = _filter(schedule)
        if found is None:
            return Miss("what follows the product cannot be computed with it")
        try:
            _apply(schedule, found, context)
        except TondoError as error:
            return Miss(f"a step is refused: {error}")
        return schedule.result


def _filter(schedule: Schedule) -> Filter | None:
    stages = stages_of(schedule.function)
    return None if stages is None else filter_of(stages, schedule.function.output_buffers)


def _apply(schedule: Schedule, found: Filter, context: RuleContext) -> None:
    machine = Machine.of(context.target, found.product.output.dtype)
    own = {stage.block.name for stage in (*found.before, found.product, *found.after)}
    schedule_rest(schedule, context, own)
    schedule_before(schedule, found, machine)
    schedule_after(schedule, found, machine)
    anchor = found.product.block.name
    schedule.drop_unit_axes(anchor)
    schedule_contraction(schedule, anchor, schedule.cache_write(anchor, LOCAL), context)
