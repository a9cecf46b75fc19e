"""The plugin ``onnx``: the frontend that reads ONNX models."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.plugin import Frontend, HookspecRegistry, PluginInfo, hookimpl
from tondo_onnx.extension import OnnxHooks
from tondo_onnx.frontend import OnnxFrontend

TONDO_PLUGIN = PluginInfo("ONNX importer", api=1, min_core="0.1")


@hookimpl
def tondo_add_hookspecs(registry: HookspecRegistry) -> None:
    """Declare the hook by which other packages bring converters."""
    registry.add_hookspecs(OnnxHooks)


@hookimpl
def register_frontends() -> Sequence[Frontend]:
    """Return the reader of ONNX models."""
    return [OnnxFrontend()]
