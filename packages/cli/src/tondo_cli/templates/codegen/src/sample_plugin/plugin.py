"""The plugin: a compiler of kernels, which is a library that makes its own code."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.compiler import StackCompiler
from tondo.plugin import Library, PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_libraries() -> Sequence[Library]:
    """Return the compilers of this package."""
    return [StackCompiler()]
