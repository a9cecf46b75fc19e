"""The plugin: passes."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.passes import DropDoubleNegation
from tondo.plugin import Pass, PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_passes() -> Sequence[type[Pass]]:
    """Return the passes of this package."""
    return [DropDoubleNegation]
