"""``cpu.generic``: any function; whatever stage can be recognised is scheduled, everything else stays serial."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.ir import TensorFunction
from tondo.passes import Miss, RuleContext
from tondo_cpu.rest import schedule_rest
from tondo_schedule import Schedule


@dataclass(frozen=True, slots=True)
class GenericRule:
    """Schedule what the other rules pass over; never misses."""

    name: str = "cpu.generic"
    priority: int = 0

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function."""
        schedule = Schedule(function)
        schedule_rest(schedule, context)
        return schedule.result
