"""The package as a plugin: the command comes and goes with it."""

from __future__ import annotations

from tondo.plugin import collect
from tondo_tvm_ffi.plugin import TONDO_PLUGIN, register_commands


def test_the_command_comes_with_the_plugin() -> None:
    assert "export-tvm-ffi" in collect(strict=False).commands
    assert "export-tvm-ffi" not in collect("-tvm-ffi", strict=False).commands
    command = collect(strict=False).commands["export-tvm-ffi"]
    assert command.factory == register_commands()[0].factory
    assert TONDO_PLUGIN.api == 1
