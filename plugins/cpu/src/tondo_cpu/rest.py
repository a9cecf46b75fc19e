"""Schedule every stage of a function that no rule has taken yet, each by what it is."""

from __future__ import annotations

from collections.abc import Collection

from tondo.diagnostics import TondoError
from tondo.ir import TensorFunction
from tondo.passes import RuleContext
from tondo_cpu.inline import inline_cheap
from tondo_cpu.mapping import schedule_map
from tondo_cpu.reduce import schedule_reduction
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, stage_of
from tondo_schedule.tree import block_place, nest_of

__all__ = ["inline_cheap", "schedule_rest", "stage_named"]


def schedule_rest(schedule: Schedule, context: RuleContext, done: Collection[str] = ()) -> None:
    """Schedule all blocks that are nests of their own and not among ``done``."""
    for name in schedule.blocks:
        if name in done or name not in schedule.blocks:
            continue
        stage = stage_named(schedule.function, name)
        if stage is None:
            continue
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
