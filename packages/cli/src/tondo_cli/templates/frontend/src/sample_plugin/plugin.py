"""The plugin: a reader of models."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.frontend import ChainFrontend
from tondo.plugin import Frontend, PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_frontends() -> Sequence[Frontend]:
    """Return the readers of this package."""
    return [ChainFrontend()]
