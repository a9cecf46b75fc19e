"""When one product of all columns is faster than parallel products of some each.

For one row it always is: nothing is reused, so that starting and ending a product (a parallel region, the first loads
of its weights) counts, and taking the result apart costs next to nothing. For more rows it is where the columns of each
product alone leave registers or vectors empty, by more than it costs to take the result apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Final

from tondo.ir import Const
from tondo.target import Target
from tondo_cpu.contraction.tile import best, uneven_efficiency
from tondo_cpu.machine import Machine
from tondo_schedule.facts import Stage

_FLOPS_PER_LANE: Final = 15e9
"""Multiply-adds count two: of one core, for each of at most eight lanes of float32."""
_COPIED_PER_SECOND: Final = 20e9
"""Bytes of results that are written once more."""
_GAIN: Final = 0.9
"""Part of the time of separate products that is worth it: what follows each of them may not fit the whole."""


def combines(product: Stage, columns: Sequence[int], target: Target) -> bool:
    """Return whether the product of all ``columns`` pays in place of one for each of them."""
    contraction = product.contraction
    if contraction is None:
        return False
    machine = Machine.of(target, contraction.right.buffer.dtype)
    rows = [_constant(it.extent) for it in contraction.m]
    row = _constant(contraction.m[-1].extent) if contraction.m else 1
    # An outermost axis of unknown extent is a batch next to a sequence of known length, and most often one.
    if row is not None and all(extent == 1 for extent in rows[1:]) and (not rows or rows[0] in {None, 1}):
        return True
    depth = prod(_constant(it.extent) or 1 for it in contraction.k)
    each = sum(_seconds(row, depth, count, machine) for count in columns)
    whole = _seconds(row, depth, sum(columns), machine)
    copied = 2 * sum(columns) * product.output.dtype.bytes / _COPIED_PER_SECOND
    return whole + copied < _GAIN * each


def _seconds(rows: int | None, depth: int, columns: int, machine: Machine) -> float:
    """Return the time of one row of a product of so many ``columns``, which is tiled along ``rows``."""
    tile = best(machine, rows, columns, estimate=uneven_efficiency)
    peak = _FLOPS_PER_LANE * min(machine.lanes, 8)
    return 2 * depth * columns / (peak * uneven_efficiency(tile, rows, columns, machine))


def _constant(extent: object) -> int | None:
    return int(extent.value) if isinstance(extent, Const) else None
