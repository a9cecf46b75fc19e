"""The plugin ``fixed-point``."""

from __future__ import annotations

from collections.abc import Sequence

from fixed_point.linear import linear
from tondo.ir import Operator
from tondo.plugin import PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("a linear layer of 16-bit integers", api=1, min_core="0.1")


@hookimpl
def register_ops() -> Sequence[Operator]:
    """Return the operator; it says itself which ONNX nodes are uses of it."""
    return [linear]
