"""The plugin ``cpu``: schedule rules for CPUs."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.plugin import PluginInfo, ScheduleRule, hookimpl
from tondo_cpu.chain.rule import RowChainRule
from tondo_cpu.contraction.rule import ContractionRule
from tondo_cpu.elementwise import ElementwiseRule
from tondo_cpu.filtering.rule import FilteringRule
from tondo_cpu.generic import GenericRule
from tondo_cpu.reduction import ReductionRule

TONDO_PLUGIN = PluginInfo("CPU schedule rules", api=1, min_core="0.1")


@hookimpl
def register_schedule_rules() -> Sequence[ScheduleRule]:
    """Return the rules; the one with the highest priority is asked first."""
    return [
        RowChainRule(),
        FilteringRule(),
        ContractionRule(),
        ReductionRule(),
        ElementwiseRule(),
        GenericRule(),
    ]
