"""Schedule every stage of a function that no rule has taken yet, each by what it is."""

from __future__ import annotations

from collections.abc import Collection

from tondo.diagnostics import TondoError
from tondo.ir import TensorFunction
from tondo.passes import RuleContext
from tondo_cpu.inline import inline_cheap
from tondo_cpu.mapping import schedule_map
from tondo_cpu.reduce import paddings_across, schedule_reduction
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, stage_of, stages_of
from tondo_schedule.tree import block_place, nest_of

__all__ = ["inline_cheap", "schedule_named", "schedule_rest", "stage_named"]


def schedule_rest(schedule: Schedule, context: RuleContext, done: Collection[str] = ()) -> None:
    """Schedule all blocks that are nests of their own and not among ``done``."""
    without = {
        name
        for stage in stages_of(schedule.function) or ()
        if stage.block.name not in done and stage.kind in {"reduction", "contraction"}
        for name in paddings_across(schedule, stage, context)
    }
    schedule_named(schedule, context, [name for name in schedule.blocks if name not in {*done, *without}])
    schedule_named(schedule, context, without)


def schedule_named(schedule: Schedule, context: RuleContext, names: Collection[str]) -> None:
    """Schedule the blocks ``names`` that are nests of their own."""
    for name in names:
        stage = stage_named(schedule.function, name) if name in schedule.blocks else None
        if stage is not None:
            attempt(schedule, stage, context)


def attempt(schedule: Schedule, stage: Stage, context: RuleContext) -> None:
    """Schedule one stage; it stays as it is if its schedule is refused."""
    saved = schedule.checkpoint()
    try:
        if stage.kind in {"elementwise", "injective"}:
            schedule_map(schedule, stage, context)
        elif stage.kind in {"reduction", "contraction"}:
            schedule_reduction(schedule, stage, context)
    except TondoError:
        schedule.rollback(saved)


def stage_named(function: TensorFunction, name: str) -> Stage | None:
    """Return the stage of block ``name`` if it is a loop nest of its own."""
    return stage_of(nest_of(block_place(function, name)).node)
