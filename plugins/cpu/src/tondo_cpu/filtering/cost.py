"""When minimal filtering pays on a CPU: estimated seconds of the direct form and of every number of outputs at a time.

Both forms are products, so they are compared by what the register tile makes of their rows and columns, by the
weights that have to be streamed from memory (``n^2`` instead of ``r^2`` for each pair of channels) and by the tiles
that are written and read again between the three nests, from the cache that they fit in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from tondo.ir import Const, Expr
from tondo.target import Target
from tondo_cpu.contraction.tile import best, uneven_efficiency
from tondo_cpu.machine import Machine
from tondo_schedule.facts import SlidingProduct

_FLOPS_PER_LANE: Final = 15e9
"""Multiply-adds count two: of one core, for each of at most eight lanes of float32."""
_WEIGHTS_PER_SECOND: Final = 25e9
"""Bytes of weights, which come from memory: nothing of them is left in a cache when the next inference begins."""
_TILES_PER_SECOND: Final = (60e9, 40e9, 12e9)
"""Bytes of tiles written and read by one core: within its second cache, within the outer one, beyond."""
_OUTER_CACHE: Final = 16 << 20
_UNKNOWN: Final = 64
"""What a dimension is taken to be that is not constant."""
_MOST_GROWTH: Final = 4.0
"""Transformed weights are at most so many times as large."""
_GAIN: Final = 0.92
"""Part of the direct time that is worth the larger rounding error."""
_LEAST: Final = 16
"""Channels and columns below this leave vectors empty."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The extents of a sliding product, channels and columns of one group; no window moves along ``lead`` rows."""

    lead: int
    rows: tuple[int, ...]
    taps: tuple[int, ...]
    channels: int
    columns: int
    groups: int
    bytes: int

    @staticmethod
    def of(problem: SlidingProduct) -> _Sizes:
        contraction = problem.contraction
        sliding = {axis.row.var for axis in problem.axes}
        taps = {axis.tap.var for axis in problem.axes}
        lead = prod(_size(it.extent, 1) for it in contraction.m if it.var not in sliding)
        return _Sizes(
            lead,
            tuple(_size(axis.row.extent, _UNKNOWN) for axis in problem.axes),
            tuple(axis.taps for axis in problem.axes),
            prod(_size(it.extent, _UNKNOWN) for it in contraction.k if it.var not in taps),
            prod(_size(it.extent, _UNKNOWN) for it in contraction.n),
            prod(_size(it.extent, _UNKNOWN) for it in contraction.batch),
            problem.source.dtype.bytes,
        )


def fastest(problem: SlidingProduct, choices: Sequence[tuple[int, ...]], target: Target) -> tuple[int, ...]:
    """Return the fastest of ``choices``, outputs at a time by sliding axis; all 1 is the direct form."""
    sizes = _Sizes.of(problem)
    machine = Machine.of(target, problem.source.dtype)
    direct = next(choice for choice in choices if max(choice) == 1)
    if min(sizes.channels, sizes.columns) < _LEAST:
        return direct
    limit = _GAIN * direct_seconds(sizes, machine)
    times = {
        choice: filter_seconds(sizes, choice, machine)
        for choice in choices
        if choice != direct and _growth(sizes, choice) <= _MOST_GROWTH
    }
    found = min(times, key=lambda choice: times[choice], default=direct)
    return found if found != direct and times[found] < limit else direct


def direct_seconds(sizes: _Sizes, machine: Machine) -> float:
    """Return the estimated time of the direct form on one core."""
    rows = sizes.rows[-1]
    depth = sizes.channels * prod(sizes.taps)
    return sizes.groups * _product(sizes.lead * prod(sizes.rows), depth, sizes, rows, machine)


def filter_seconds(sizes: _Sizes, outputs: Sequence[int], machine: Machine) -> float:
    """Return the estimated time of the form that computes ``outputs`` at a time on one core."""
    axes = list(zip(sizes.rows, outputs, sizes.taps, strict=True))
    tiles = sizes.lead * prod(-(-rows // count) for rows, count, _ in axes)
    points = prod(count + taps - 1 for _, count, taps in axes)
    inside = tiles * points * sizes.bytes
    pixels = sizes.lead * prod(sizes.rows) * sizes.bytes
    product = sizes.groups * _product(tiles * points, sizes.channels, sizes, tiles, machine, points)
    moved = 0.0
    for width, copies in ((sizes.groups * sizes.channels, 3), (sizes.groups * sizes.columns, 1)):
        held = inside * width
        level = 0 if held <= machine.l2 // 2 else 1 if held <= _OUTER_CACHE else 2
        moved += (2 * held + copies * pixels * width) / _TILES_PER_SECOND[level]
    return product + moved


def _product(rows: int, depth: int, sizes: _Sizes, axis: int, machine: Machine, points: int = 1) -> float:
    """Return the time of ``rows`` x columns sums of ``depth`` products, whose rows are tiled along ``axis``."""
    tile = best(machine, axis, sizes.columns, estimate=uneven_efficiency)
    peak = _FLOPS_PER_LANE * min(machine.lanes, 8)
    multiply = 2 * rows * depth * sizes.columns / (peak * uneven_efficiency(tile, axis, sizes.columns, machine))
    stream = points * depth * sizes.columns * sizes.bytes / _WEIGHTS_PER_SECOND
    return max(multiply, stream) + min(multiply, stream) / 2


def _growth(sizes: _Sizes, outputs: Sequence[int]) -> float:
    pairs = zip(outputs, sizes.taps, strict=True)
    return prod((count + taps - 1) / taps for count, taps in pairs)


def _size(extent: Expr, unknown: int) -> int:
    return int(extent.value) if isinstance(extent, Const) else unknown
