"""Which declared instruction a register tile becomes.

Families of the pattern ``multiply_add_tile`` say which tiles there are and what they cost; the cheapest one wins,
whichever plugin it comes from. The family of this plugin serves every vector width: a product that is added, which
code generation fuses where the target can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tondo.ir import DType
from tondo.target import Intrinsic, IntrinsicFamily
from tondo.target.patterns import MULTIPLY_ADD_TILE, multiply_add_tile

NAME: Final = "cpu.multiply_add_tile"
_CYCLES: Final = 1.0


@lru_cache(maxsize=256)
def tile(dtype: DType, lanes: int, rows: int, vectors: int, depth: int) -> Intrinsic | None:
    """Return the tile for any width; None for what is no vector of numbers."""
    if lanes < 2 or not (dtype.is_float or dtype.is_integer):
        return None
    return multiply_add_tile(
        NAME, dtype, lanes, rows, vectors, depth, features=frozenset(), cycles=_CYCLES, fused=False
    )


GENERIC: Final = IntrinsicFamily(NAME, MULTIPLY_ADD_TILE, frozenset(), _CYCLES, tile)


@dataclass(frozen=True, slots=True)
class Tiles:
    """The families that a target has for elements of one type, cheapest first."""

    families: tuple[IntrinsicFamily, ...]
    dtype: DType

    @staticmethod
    def of(families: Sequence[IntrinsicFamily], dtype: DType) -> Tiles:
        """Return those of ``families`` that are tiles of multiply-adds; the generic one is always there."""
        found = {family.name: family for family in (*families, GENERIC) if family.pattern == MULTIPLY_ADD_TILE}
        return Tiles(tuple(sorted(found.values(), key=lambda family: (family.cost, family.name))), dtype)

    def member(self, lanes: int, rows: int, vectors: int) -> Intrinsic | None:
        """Return the cheapest instruction for a tile, None if there is none."""
        for family in self.families:
            found = family.member(dtype=self.dtype, lanes=lanes, rows=rows, vectors=vectors, depth=1)
            if found is not None:
                return found
        return None

    def speed(self, lanes: int, rows: int, vectors: int) -> float:
        """Return how fast a tile runs, 1 for the cheapest family's price per vector."""
        found = self.member(lanes, rows, vectors)
        least = self.families[0].cost * rows * vectors
        return 1.0 if found is None or found.cost <= least else least / found.cost
