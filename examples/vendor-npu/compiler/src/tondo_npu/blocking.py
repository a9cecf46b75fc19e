"""How a product is cut into blocks that fit the memories, and what a choice costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tondo.ir import Const, IterVar
from tondo_npu.machine import TILE, Chip
from tondo_npu.normal import Blocking
from tondo_npu.structure import Product
from tondo_npu_runtime.machine import ELEMENT, MACHINE

Outer = Literal["rows", "columns"]
"""Which blocks the outer loop goes through."""

_SIZES: Final = (16, 32, 64, 128, 256, 512)
_DEPTHS: Final = (16, 32, 64, 128, 256, 512, 1024)
_UNKNOWN: Final = 128
"""What a size that only the call knows is taken for."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Extents of a product."""

    batch: int
    rows: int
    columns: int
    depth: int


def sizes_of(product: Product) -> Sizes:
    """Return the extents of ``product``, estimates where only the call knows them."""
    parts = (product.batch, product.rows, product.columns, product.depth)
    return Sizes(*(_size(axes) for axes in parts))


def _size(axes: Sequence[IterVar]) -> int:
    total = 1
    for it in axes:
        total *= int(it.extent.value) if isinstance(it.extent, Const) else _UNKNOWN
    return total


def blockings(product: Product, chip: Chip) -> tuple[Blocking, ...]:
    """Return the blocks that fit the memories of ``chip``, one at least."""
    sizes = sizes_of(product)
    return tuple(option for option in _options(sizes) if _fits(option, product.others, chip))


def best_blocking(product: Product, chip: Chip) -> Blocking:
    """Return the cheapest of :func:`blockings`, the largest of equals."""
    sizes = sizes_of(product)
    return min(
        blockings(product, chip),
        key=lambda option: (cycles(sizes, option), -option.rows * option.columns * option.depth),
    )


def outer_loop(sizes: Sizes, option: Blocking) -> Outer:
    """Return the outer loop: its operand stays on the device while the other one is moved again."""
    rows, columns = ceil(sizes.rows, option.rows), ceil(sizes.columns, option.columns)
    by_rows = sizes.rows + sizes.columns * rows
    by_columns = sizes.columns + sizes.rows * columns
    return "rows" if by_rows <= by_columns else "columns"


def cycles(sizes: Sizes, option: Blocking) -> int:
    """Return the estimated cycles of one product of the batch: transfers or computation, whichever takes longer."""
    blocks = [
        ceil(extent, block)
        for extent, block in zip(
            (sizes.rows, sizes.columns, sizes.depth), (option.rows, option.columns, option.depth), strict=True
        )
    ]
    rows, columns, depth = (
        count * block for count, block in zip(blocks, (option.rows, option.columns, option.depth), strict=True)
    )
    stays = outer_loop(sizes, option) if blocks[2] == 1 else None
    left = rows * depth * (1 if stays == "rows" else blocks[1])
    right = columns * depth * (1 if stays == "columns" else blocks[0])
    moved = (left + right + rows * columns) * ELEMENT // MACHINE.dma_bytes
    steps = blocks[0] * blocks[1] * blocks[2]
    computed = rows * columns * depth // TILE**2 + MACHINE.array_fill * steps
    first = MACHINE.dma_latency + (option.rows + option.columns) * option.depth * ELEMENT // MACHINE.dma_bytes
    last = option.rows * option.columns * ELEMENT // MACHINE.dma_bytes
    return max(moved, computed) + first + last


def ceil(extent: int, block: int) -> int:
    """Return how many blocks cover ``extent``."""
    return -(-extent // block)


def _options(sizes: Sizes) -> Iterator[Blocking]:
    for rows in _candidates(sizes.rows, _SIZES):
        for columns in _candidates(sizes.columns, _SIZES):
            for depth in _candidates(sizes.depth, _DEPTHS):
                yield Blocking(rows, columns, depth)


def _candidates(extent: int, candidates: tuple[int, ...]) -> list[int]:
    """Return the candidates below ``extent``, and ``extent`` in whole tiles if that is no more than the last."""
    whole = ceil(extent, TILE) * TILE
    below = [item for item in candidates if item < whole]
    return [*below, whole] if whole <= candidates[-1] else below


def _fits(option: Blocking, others: int, chip: Chip) -> bool:
    """Whether the tiles of a block fit: operands, what the epilogue reads, and the result."""
    result = option.rows * option.columns
    operands = (option.rows + option.columns) * option.depth
    return result <= chip.accumulators and operands + result * (1 + others) <= chip.scratchpad
