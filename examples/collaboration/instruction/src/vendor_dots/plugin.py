"""The plugin ``vendor-dots``."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.plugin import PluginInfo, hookimpl
from tondo.target import Instruction
from vendor_dots.pairs import WIDTHS, pairs

TONDO_PLUGIN = PluginInfo("sums of pairs of products", api=1, min_core="0.1")


@hookimpl
def register_intrinsics() -> Sequence[Instruction]:
    """Return the instructions; rules are offered those that the target has."""
    return [pairs(lanes) for lanes in WIDTHS]
