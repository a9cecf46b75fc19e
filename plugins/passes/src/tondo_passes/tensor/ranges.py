"""What is known of the variables at a place in a tensor function."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.arith import Analyzer, size_analyzer
from tondo.ir import Const, For, TensorFunction


@dataclass(frozen=True, slots=True)
class LoopRanges:
    """An analyzer that knows the bounds of dimensions and the loops around the current place."""

    analyzer: Analyzer

    @staticmethod
    def of(function: TensorFunction) -> LoopRanges:
        """Return what is known at the top of ``function``."""
        return LoopRanges(size_analyzer(function))

    def enter(self, loop: For) -> LoopRanges:
        """Return what is known inside ``loop``."""
        return LoopRanges(self.analyzer.with_range(loop.var, loop.begin, loop.extent))


def constant_extent(loop: For) -> int | None:
    """Return the number of iterations when it is a literal."""
    return int(loop.extent.value) if isinstance(loop.extent, Const) else None
