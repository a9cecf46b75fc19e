"""A family of machines: what code for them may rely on.

The board below has the instruction set of the architecture's baseline, small caches and two cores. State the facts of
yours: features (by their LLVM names), vector registers, caches. Schedule rules decide from these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tondo.diagnostics import fail
from tondo.target import Caches, Target
from tondo.target.baseline import BaselineCpu
from tondo.target.provider import change_features

_CACHES: Final = Caches(l1d=16 << 10, l2=128 << 10, l3=0)
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Boards:
    """Knows one board; says nothing about the machine that it runs on."""

    name: str = "sample_plugin"
    kind: str = "cpu"
    priority: int = 1

    def names(self) -> tuple[str, ...]:
        """Return the names of the boards."""
        return ("sample_plugin-board",)

    def detect(self) -> Target | None:
        """Return None: no host is recognised."""
        return None

    def make(self, cpu: str, features: Sequence[str] = ()) -> Target:
        """Return the facts about a board.

        Raises:
            TondoError: TND-U007 for a name that is not among :meth:`names`.
        """
        if cpu not in self.names():
            fail("TND-U007", f"unknown board {cpu!r}", help=f"choose one of {', '.join(self.names())}")
        base = BaselineCpu().make("generic")
        return replace(
            base,
            features=change_features(base.features, features),
            caches=_CACHES,
            threads=_THREADS,
            attrs=(("board", cpu),),
        )
