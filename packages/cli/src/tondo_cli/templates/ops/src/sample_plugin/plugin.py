"""The plugin: operators."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.operators import OPERATORS
from tondo.ir import Operator
from tondo.plugin import PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_ops() -> Sequence[Operator]:
    """Return the operators of this package."""
    return OPERATORS
