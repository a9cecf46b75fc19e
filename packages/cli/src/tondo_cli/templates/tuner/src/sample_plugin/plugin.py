"""The plugin: a pass that draws schedules, and a command that keeps the fastest."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.draw import DrawSchedules
from tondo.plugin import Command, Pass, PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_passes() -> Sequence[type[Pass]]:
    """Return the passes of this package."""
    return [DrawSchedules]


@hookimpl
def register_commands() -> Sequence[Command]:
    """Return the commands of this package."""
    return [Command("sample-plugin", "sample_plugin.command:app", "Search for the fastest schedules of a model.")]
