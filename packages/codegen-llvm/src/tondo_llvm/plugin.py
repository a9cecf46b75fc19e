"""The plugin ``llvm``: a code generator for CPUs."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.plugin import Codegen, PluginInfo, hookimpl
from tondo_llvm.codegen import LlvmCodegen

TONDO_PLUGIN = PluginInfo("LLVM code generator", api=1, min_core="0.1")


@hookimpl
def register_codegens() -> Sequence[Codegen]:
    """Return the code generator."""
    return [LlvmCodegen()]
