"""``npu.product``: the schedule of everything that the accelerator computes.

The function is brought to its normal form (:mod:`tondo_npu.normal`); then primitives make, from the outside in::

    batch axes / blocks of rows / blocks of columns
        accumulators = 0
        blocks of depth:
            left tile, right tile into the scratchpad                          DMA
            rows / 16, columns / 16, depth / 16: npu.matmul.16x16x16           array
        operands of the epilogue into the scratchpad                           DMA
        epilogue on the accumulators                                           vector unit
        result out of the scratchpad, without the padding                      DMA

Where the whole depth is one block, the tile of the outer operand stays while the inner blocks go by. Holes: ``block``
(rows, columns, depth of a block) and ``outer`` (which of rows and columns is the outer loop).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tondo.ir import Const, TensorFunction, Var
from tondo.passes import Miss, RuleContext
from tondo.target import Target
from tondo_npu.blocking import best_blocking, blockings, outer_loop, sizes_of
from tondo_npu.intrinsics import MATMUL
from tondo_npu.machine import KIND, TILE, Chip
from tondo_npu.normal import Blocking, Normal, normal_form
from tondo_npu.structure import Product, product_of
from tondo_npu.wishes import wishes
from tondo_schedule import LayoutWish, Schedule

NAME: Final = "npu.product"


@dataclass(frozen=True, slots=True)
class ProductRule:
    """Schedule products for the accelerator."""

    name: str = NAME
    priority: int = 500

    def wishes(self, function: TensorFunction, target: Target) -> tuple[LayoutWish, ...]:
        """Return the wished arrangements of what the accelerator will compute; see :mod:`tondo_npu.wishes`."""
        return wishes(function) if target.kind == KIND else ()

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        if MATMUL.name not in {intrinsic.name for intrinsic in context.intrinsics}:
            return Miss(f"the target has no instruction '{MATMUL.name}'")
        product = product_of(function)
        if isinstance(product, Miss):
            return product
        chip = Chip.of(context.target)
        options = blockings(product, chip)
        prior = best_blocking(product, chip)
        rows, columns, depth = context.choose(
            "block",
            [(option.rows, option.columns, option.depth) for option in options],
            prior=(prior.rows, prior.columns, prior.depth),
            constraint=lambda value: Blocking(*value) in options,
        )
        blocking = Blocking(rows, columns, depth)
        outer = context.choose("outer", ("rows", "columns"), prior=outer_loop(sizes_of(product), blocking))
        return scheduled(product, blocking, rows_outside=outer == "rows")


def scheduled(product: Product, blocking: Blocking, *, rows_outside: bool) -> TensorFunction:
    """Return the schedule of ``product`` with blocks of a size."""
    normal = normal_form(product, blocking)
    schedule = Schedule(normal.function)
    *batch, m, n, k = schedule.loops(normal.product)
    m_out, m_in = schedule.split(m, blocking.rows)
    n_out, n_in = schedule.split(n, blocking.columns)
    k_out, k_in = schedule.split(k, blocking.depth)
    m_tile, m_one = schedule.split(m_in, TILE)
    n_tile, n_one = schedule.split(n_in, TILE)
    k_tile, k_one = schedule.split(k_in, TILE)
    blocks = (m_out, n_out) if rows_outside else (n_out, m_out)
    schedule.reorder(*batch, *blocks, k_out, m_tile, n_tile, k_tile, m_one, n_one, k_one)
    inner = blocks[1]
    schedule.reverse_compute_at(normal.value, inner)
    schedule.reverse_compute_at(normal.written, inner)
    schedule.decompose_reduction(normal.product, k_out)
    _place_operands(schedule, normal, blocks, k_out, rows_outside=rows_outside)
    schedule.tensorize(m_one, MATMUL)
    return schedule.result


def _place_operands(
    schedule: Schedule, normal: Normal, blocks: tuple[Var, Var], depth: Var, *, rows_outside: bool
) -> None:
    """Bring each operand at the outermost loop where its tile is the one that is needed."""
    whole = schedule.extent(depth) == Const(1)
    kept, moved = (normal.left, normal.right) if rows_outside else (normal.right, normal.left)
    schedule.compute_at(moved, depth)
    schedule.compute_at(kept, blocks[0] if whole else depth)
    for operand in normal.operands:
        schedule.compute_at(operand, blocks[1])
