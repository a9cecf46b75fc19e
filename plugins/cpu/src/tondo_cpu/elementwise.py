"""``cpu.elementwise``: chains of elementwise and injective stages in one pass over memory."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.ir import TensorFunction
from tondo.passes import Miss, RuleContext
from tondo_cpu.inline import inline_cheap
from tondo_cpu.rest import schedule_rest
from tondo_schedule import Schedule
from tondo_schedule.facts import stages_of


@dataclass(frozen=True, slots=True)
class ElementwiseRule:
    """Schedule functions without reductions."""

    name: str = "cpu.elementwise"
    priority: int = 100

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        stages = stages_of(function)
        if stages is None:
            return Miss("the function is not in compute form")
        other = next((stage for stage in stages if stage.kind not in {"elementwise", "injective"}), None)
        if other is not None:
            return Miss(f"stage '{other.block.name}' is {other.kind}")
        schedule = Schedule(function)
        inline_cheap(schedule)
        schedule_rest(schedule, context)
        return schedule.result
