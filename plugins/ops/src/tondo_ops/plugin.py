"""Entry point of the plugin ``ops``: the operator library."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Operator
from tondo.plugin import PluginInfo, hookimpl
from tondo_ops import OPERATORS

TONDO_PLUGIN = PluginInfo("operator library", api=1, min_core="0.1")


@hookimpl
def register_ops() -> Sequence[Operator]:
    """Return every operator of the library."""
    return list(OPERATORS.values())
