"""The plugin: a library of kernels."""

from __future__ import annotations

from collections.abc import Sequence

from sample_plugin.library import MatrixKernels
from tondo.plugin import Library, PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("sample-plugin", api=1, min_core="0.1")


@hookimpl
def register_libraries() -> Sequence[Library]:
    """Return the libraries of this package."""
    return [MatrixKernels()]
