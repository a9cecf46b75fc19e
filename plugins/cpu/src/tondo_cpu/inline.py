"""Inline stages whose value is cheaper to compute again than to store."""

from __future__ import annotations

from tondo.diagnostics import TondoError
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, stages_of

_CHEAP = 2
"""Operations of a stage that may be computed several times."""


def inline_cheap(schedule: Schedule) -> None:
    """Inline elementwise and injective stages that one later stage reads once, or that cost next to nothing."""
    for name in schedule.blocks:
        stages = stages_of(schedule.function)
        if stages is None:
            return
        stage = next((item for item in stages if item.block.name == name), None)
        if stage is not None and _worth(stage, stages, schedule):
            try:
                schedule.compute_inline(name)
            except TondoError:
                continue


def _worth(stage: Stage, stages: tuple[Stage, ...], schedule: Schedule) -> bool:
    if stage.kind not in {"elementwise", "injective"} or stage.output in schedule.function.output_buffers:
        return False
    users = [item for item in stages if item is not stage and item.reads_of(stage.output)]
    if not users or any(user.kind in {"contraction", "opaque"} for user in users):
        return False
    reads_contraction = any(other.kind == "contraction" and stage.reads_of(other.output) for other in stages)
    if reads_contraction and not (len(users) == 1 and users[0].kind == "elementwise"):
        return False
    reads = sum(len(user.reads_of(stage.output)) for user in users)
    if reads == 1:
        (user,) = users
        windowed = user.kind == "reduction" and len(user.block.iters) > len(stage.spatial)
        return not windowed or (
            stage.operations <= _CHEAP
            and all(access.pattern != "gather" for access in stage.reads)
            and stage.kind == "elementwise"
        )
    return stage.operations <= _CHEAP and stage.kind == "elementwise"
