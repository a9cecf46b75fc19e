"""Code for the host: what the accelerator does not compute, and the calls of what it does.

The host is a CPU, so LLVM makes its code; kernels of the accelerator are compiled by :mod:`tondo_npu.library`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tondo_llvm import LlvmCodegen
from tondo_npu.machine import KIND
from tondo_npu.provider import host_of

if TYPE_CHECKING:
    from tondo.ir import IRModule
    from tondo.passes import Miss
    from tondo.plugin import CodegenContext, CompiledCode, Option
    from tondo.target import Target


@dataclass(frozen=True, slots=True)
class HostCodegen:
    """The code generator of targets with the accelerator."""

    name: str = KIND
    host: LlvmCodegen = field(default_factory=LlvmCodegen)

    def supports(self, target: Target) -> bool:
        """Return whether the machine has the accelerator."""
        return target.kind == KIND

    def digest(self) -> str:
        """Return what changes with the host's code generator."""
        return self.host.digest()

    def compile(
        self, module: IRModule, target: Target, options: Mapping[str, Option], context: CodegenContext
    ) -> CompiledCode:
        """Return the code of the host.

        Raises:
            TondoError: TND-B004 for a form that cannot be expressed, TND-C001 and TND-C002 for wrong options.
        """
        return self.host.compile(module, host_of(target), options, context)

    def link(self, code: CompiledCode, target: Target) -> CompiledCode | Miss:
        """Return ``code`` with its objects linked to one shared object, or why that cannot be done here."""
        return self.host.link(code, host_of(target))
