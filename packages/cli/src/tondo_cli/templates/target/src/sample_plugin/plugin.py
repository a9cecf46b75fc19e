"""The plugin: targets."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.targets import Boards
from tondo.plugin import PluginInfo, hookimpl
from tondo.target import TargetProvider

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_targets() -> Sequence[TargetProvider]:
    """Return the providers of this package."""
    return [Boards()]
