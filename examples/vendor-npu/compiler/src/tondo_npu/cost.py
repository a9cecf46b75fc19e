"""How long the accelerator takes: the same model that its simulator counts with, from the sizes alone."""

from __future__ import annotations

from tondo_npu.blocking import best_blocking, cycles, sizes_of
from tondo_npu.machine import Chip
from tondo_npu.structure import Product
from tondo_npu_runtime.machine import MACHINE


def seconds(product: Product, chip: Chip) -> float:
    """Return the estimated time of one call; sizes that only the call knows are taken for 128."""
    sizes = sizes_of(product)
    blocking = best_blocking(product, chip)
    return cycles(sizes, blocking) * sizes.batch / MACHINE.clock
