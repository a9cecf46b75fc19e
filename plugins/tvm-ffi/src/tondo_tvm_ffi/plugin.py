"""The plugin ``tvm-ffi``: a command that exports models."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.plugin import Command, PluginInfo, hookimpl

TONDO_PLUGIN = PluginInfo("exchange with the tvm-ffi runtime", api=1, min_core="0.1")


@hookimpl
def register_commands() -> Sequence[Command]:
    """Return the command that exports a model."""
    return [
        Command(
            "export-tvm-ffi",
            "tondo_tvm_ffi.command:app",
            "Compile a model into a shared library that tvm-ffi loads.",
        )
    ]
