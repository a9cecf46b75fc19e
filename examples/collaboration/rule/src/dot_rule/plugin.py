"""The plugin ``dot-rule``."""

from __future__ import annotations

from collections.abc import Sequence

from dot_rule.rule import RowDots
from tondo.plugin import PluginInfo, ScheduleRule, hookimpl

TONDO_PLUGIN = PluginInfo("sums of products along rows", api=1, min_core="0.1")


@hookimpl
def register_schedule_rules() -> Sequence[ScheduleRule]:
    """Return the rule."""
    return [RowDots()]
