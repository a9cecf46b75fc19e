"""Register tiles of vector fused multiply-adds, for every register width.

Source: Intel SDM, VFMADD231PS and VFMADD231PD; there are 16 registers of 128 and 256 bits, 32 of 512 bits. The tile,
one row of its right operand and one broadcast have to fit. Members are made when a schedule asks for one.
"""

from __future__ import annotations

from functools import lru_cache, partial

from tondo.ir import FLOAT32, FLOAT64, DType
from tondo.target import Intrinsic, IntrinsicFamily
from tondo.target.patterns import MULTIPLY_ADD_TILE, multiply_add_tile
from tondo_x86.fma import CYCLES, WIDTHS, Width


def tile_families() -> tuple[IntrinsicFamily, ...]:
    """Return a family for each register width."""
    return tuple(
        IntrinsicFamily(_name(width), MULTIPLY_ADD_TILE, width.features, CYCLES, partial(tile, width))
        for width in WIDTHS
    )


@lru_cache(maxsize=256)
def tile(width: Width, dtype: DType, lanes: int, rows: int, vectors: int, depth: int) -> Intrinsic | None:
    """Return the tile of ``rows`` x ``vectors`` registers, None if it does not fit or the registers differ."""
    registers = 32 if width.bits == 512 else 16
    if dtype not in {FLOAT32, FLOAT64} or lanes * dtype.bits != width.bits:
        return None
    if rows * vectors + vectors + 1 > registers:
        return None
    return multiply_add_tile(
        _name(width), dtype, lanes, rows, vectors, depth, features=width.features, cycles=CYCLES, fused=True
    )


def _name(width: Width) -> str:
    return f"x86.fma{width.bits}_tile"
