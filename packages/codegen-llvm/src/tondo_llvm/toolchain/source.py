"""What goes into a compilation and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Source:
    """One module: ``name`` is for messages and files, ``ir_text`` is LLVM IR, ``title`` what people call it."""

    name: str
    ir_text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class ObjectCode:
    """One relocatable object file, ELF on Linux."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Optimization:
    """How LLVM optimises.

    Attributes:
        level: 0 to 3.
        vectorize: run LLVM's loop and superword vectorisers. Off by default: schedules have chosen the vectors, and
            LLVM's second guess costs time and registers.
        unroll: let LLVM unroll loops that the schedule left rolled.
    """

    level: int = 3
    vectorize: bool = False
    unroll: bool = True

    def __post_init__(self) -> None:
        """Refuse levels that LLVM does not have."""
        if not 0 <= self.level <= 3:
            msg = f"optimization level must be 0 to 3, not {self.level}"
            raise ValueError(msg)


DEFAULT_OPTIMIZATION: Final = Optimization()
