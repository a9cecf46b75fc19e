"""The plugin: instructions."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.instructions import matrix_multiply
from tondo.plugin import PluginInfo, hookimpl
from tondo.target import Instruction

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_intrinsics() -> Sequence[Instruction]:
    """Return the instructions of this package."""
    return [matrix_multiply()]
