"""The code generator as the compiler sees it; light to import, LLVM is loaded when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tondo_llvm.options import read_options
from tondo_llvm.version import version

if TYPE_CHECKING:
    from tondo.ir import IRModule
    from tondo.passes import Miss
    from tondo.plugin import CodegenContext, CompiledCode, Option
    from tondo.target import Target


@dataclass(frozen=True, slots=True)
class LlvmCodegen:
    """Lowered tensor functions to relocatable objects, one per distinct function, and the thread pool."""

    name: str = "llvm"

    def supports(self, target: Target) -> bool:
        """Return whether ``target`` is a CPU."""
        return target.kind == "cpu"

    def digest(self) -> str:
        """Return a text that changes with LLVM and with this package's sources."""
        return version()

    def compile(
        self, module: IRModule, target: Target, options: Mapping[str, Option], context: CodegenContext
    ) -> CompiledCode:
        """Return the objects of every exported function of ``module`` and of what they call.

        Raises:
            TondoError: TND-B004 for a form that cannot be expressed, TND-C001 and TND-C002 for wrong options.
        """
        from tondo_llvm.compiler import compile_module

        return compile_module(module, target, read_options(options), context)

    def link(self, code: CompiledCode, target: Target) -> CompiledCode | Miss:
        """Return ``code`` with its objects linked to one shared object, or why that cannot be done here."""
        from tondo_llvm.linked import link

        return link(code, target)
