"""Parallel regions: which loops, and how much work a thread takes at a time."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.diagnostics import TondoError
from tondo.ir import Const, Var
from tondo_cpu.machine import PARALLEL_SECONDS, Machine, grain_for
from tondo_schedule import Schedule

_CHUNKS = 8
"""Iterations per thread that suffice to share the work evenly."""
_UNKNOWN = 64
"""What a dimension is taken to be where only an estimate is needed."""


def estimate(schedule: Schedule, loop: Var) -> int:
    """Return the extent of a loop, or a guess."""
    extent = schedule.extent(loop)
    return int(extent.value) if isinstance(extent, Const) else _UNKNOWN


def make_parallel(schedule: Schedule, loops: Sequence[Var], seconds: float, machine: Machine) -> Var | None:
    """Fuse as many of the nested ``loops`` (outermost first) as sharing needs and make the result parallel.

    ``seconds`` is the time of one iteration of the innermost one. Nothing happens where the work does not pay.
    """
    counts = [estimate(schedule, loop) for loop in loops]
    total = 1
    for count in counts:
        total *= count
    if machine.threads < 2 or not loops:
        return None
    fixed = all(isinstance(schedule.extent(loop), Const) for loop in loops)
    if fixed and grain_for(total, seconds, machine.threads) is None:
        return None
    taken, product = 0, 1
    while taken < len(loops) and (
        product < _CHUNKS * machine.threads or not isinstance(schedule.extent(loops[taken]), Const)
    ):
        product *= counts[taken]
        taken += 1
        if product >= _CHUNKS * machine.threads and all(
            isinstance(schedule.extent(loop), Const) for loop in loops[:taken]
        ):
            break
    inner = total // max(1, product)
    each = seconds * inner
    grain = grain_for(product, each, machine.threads) if fixed else max(1, round(2 * PARALLEL_SECONDS / each))
    if grain is None:
        return None
    try:
        fused = schedule.fuse(*loops[:taken])
        schedule.parallel(fused, grain)
    except TondoError:
        return None
    return fused
