"""The code generator as the compiler sees it; light to import, LLVM is loaded when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tondo.diagnostics import fail, suggest

if TYPE_CHECKING:
    from tondo.ir import IRModule
    from tondo.plugin import CodegenContext, CompiledCode, Option
    from tondo.target import Target


@dataclass(frozen=True, slots=True)
class LlvmOptions:
    """What a pipeline file may set under ``codegen``.

    Attributes:
        opt_level: effort of LLVM, 0 to 3.
        vectorize: let LLVM vectorise loops that no schedule has vectorised.
    """

    opt_level: int = 3
    vectorize: bool = False


@dataclass(frozen=True, slots=True)
class LlvmCodegen:
    """Lowered tensor functions to relocatable objects, one per distinct function, and the thread pool."""

    name: str = "llvm"

    def supports(self, target: Target) -> bool:
        """Return whether ``target`` is a CPU."""
        return target.kind == "cpu"

    def digest(self) -> str:
        """Return a text that changes with LLVM and with this package's sources."""
        from tondo_llvm.compiler import version

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


def read_options(options: Mapping[str, Option]) -> LlvmOptions:
    """Return checked options.

    Raises:
        TondoError: TND-C002 for an unknown name, TND-C001 for a value of the wrong kind.
    """
    known = ("opt_level", "vectorize")
    for name in options:
        if name not in known:
            fail("TND-C002", f"the code generator 'llvm' has no option '{name}'", help=suggest(name, known))
    level, vectorize = options.get("opt_level", 3), options.get("vectorize", False)
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= 3:
        fail("TND-C001", f"codegen.opt_level must be 0, 1, 2 or 3, not {level!r}")
    if not isinstance(vectorize, bool):
        fail("TND-C001", f"codegen.vectorize must be true or false, not {vectorize!r}")
    return LlvmOptions(level, vectorize)
