"""How a product is cut into blocks that fit the memories, and what a choice costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tondo.arith import Analyzer
from tondo.ir import Const, Expr, IterVar, Load, Var, add, is_const, mul, sub, substitute, walk
from tondo_npu.machine import TILE, Chip
from tondo_npu.normal import Blocking
from tondo_npu.structure import Product
from tondo_npu.vector import compiled
from tondo_npu_runtime.machine import ELEMENT, MACHINE

Outer = Literal["rows", "columns"]
"""Which blocks the outer loop goes through."""

_SIZES: Final = (16, 32, 64, 128, 256, 512)
_DEPTHS: Final = (16, 32, 64, 128, 256, 512, 1024)
_UNKNOWN: Final = 128
"""What a size that only the call knows is taken for."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the cost of a product depends on.

    Attributes:
        batch, rows, columns, depth: its extents.
        left, right, result: bytes that the DMA engine moves for each byte of the operand, bursts of scattered elements
            counted whole; ``others`` the same for all that the epilogue reads, in results.
        steps: operations of the epilogue.
    """

    batch: int
    rows: int
    columns: int
    depth: int
    left: float = 1.0
    right: float = 1.0
    result: float = 1.0
    others: float = 0.0
    steps: int = 1


def sizes_of(product: Product) -> Sizes:
    """Return the sizes of ``product``, estimates where only the call knows them."""
    parts = (product.batch, product.rows, product.columns, product.depth)
    left, right = product.left.load, product.right.load
    spatial = (*product.rows, *product.columns)
    others = [
        burst(load, spatial)
        for load in product.operands
        if {it.var for it in product.rows} & {item for index in load.indices for item in walk(index)}
    ]
    return Sizes(
        *(_size(axes) for axes in parts),
        left=burst(left, (*product.rows, *product.depth)),
        right=burst(right, (*product.depth, *product.columns)),
        result=burst(Load(product.output, product.indices), spatial),
        others=sum(others),
        steps=max(1, len(compiled(product.value, product.function.name)[2])),
    )


def burst(load: Load, axes: Sequence[IterVar]) -> float:
    """Return how many bytes a transfer of ``load`` moves for each that is wanted: whole bursts of neighbours."""
    run = max((_known(it.extent) for it in axes if unit_step(load, it.var)), default=1)
    wanted = run * ELEMENT
    return ceil(wanted, MACHINE.dma_burst) * MACHINE.dma_burst / wanted


def unit_step(load: Load, var: Var) -> bool:
    """Return whether a step along ``var`` from the beginning goes to the next element in memory."""
    zeros: dict[Var, Expr] = {item: Const(0) for index in load.indices for item in walk(index) if isinstance(item, Var)}
    dims_ = {item for extent in load.buffer.shape for item in walk(extent)}
    first = {item: value for item, value in zeros.items() if item not in dims_}
    if var not in first:
        return False
    total: Expr = Const(0)
    for index, stride in zip(load.indices, load.buffer.row_major_strides(), strict=True):
        step = sub(substitute(index, {**first, var: Const(1)}), substitute(index, first))
        total = add(total, mul(step, stride))
    return is_const(Analyzer().simplify(total), 1)


def _known(extent: Expr) -> int:
    return int(extent.value) if isinstance(extent, Const) else _UNKNOWN


def _size(axes: Sequence[IterVar]) -> int:
    total = 1
    for it in axes:
        total *= _known(it.extent)
    return total


def blockings(product: Product, chip: Chip) -> tuple[Blocking, ...]:
    """Return the blocks that fit the memories of ``chip``, one at least."""
    sizes = sizes_of(product)
    return tuple(option for option in _options(sizes) if _fits(option, len(product.operands), chip))


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
    """Return the estimated cycles of one product of the batch: those of the unit that has most to do, and the ends."""
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
    result = rows * columns
    moved = max(left * sizes.left + right * sizes.right + result * sizes.others, result * sizes.result)
    steps = blocks[0] * blocks[1] * blocks[2]
    computed = result * depth // TILE**2 + MACHINE.array_fill * steps
    vector = result * (sizes.steps + 1) // MACHINE.lanes
    first = option.depth * (option.rows * sizes.left + option.columns * sizes.right)
    last = option.rows * option.columns * (sizes.result + sizes.others)
    most = max(_transfer(moved), computed, vector)
    return most + _transfer(first) + _transfer(last) + MACHINE.dma_latency


def _transfer(elements: float) -> int:
    return int(elements) * ELEMENT // MACHINE.dma_bytes


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
