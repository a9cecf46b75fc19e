"""The plugin ``x86``: targets and declared instructions."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.plugin import PluginInfo, hookimpl
from tondo.target import Instruction, TargetProvider
from tondo_x86.fma import fused_multiply_add_family
from tondo_x86.provider import X86Cpus
from tondo_x86.tile import tile_families

TONDO_PLUGIN = PluginInfo("x86 CPUs and instructions", api=1, min_core="0.1")


@hookimpl
def register_targets() -> Sequence[TargetProvider]:
    """Return the provider of x86 CPUs."""
    return [X86Cpus()]


@hookimpl
def register_intrinsics() -> Sequence[Instruction]:
    """Return the vector instructions, and the families of register tiles."""
    return (*fused_multiply_add_family(), *tile_families())
