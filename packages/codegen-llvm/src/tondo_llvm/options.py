"""What a pipeline file may set for the code generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tondo.diagnostics import fail, suggest

if TYPE_CHECKING:
    from tondo.plugin import Option


@dataclass(frozen=True, slots=True)
class LlvmOptions:
    """What a pipeline file may set under ``codegen``.

    Attributes:
        opt_level: effort of LLVM, 0 to 3.
        vectorize: let LLVM vectorise loops that no schedule has vectorised.
    """

    opt_level: int = 3
    vectorize: bool = False


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
