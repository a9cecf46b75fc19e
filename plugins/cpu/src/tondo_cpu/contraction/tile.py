"""The register tile of a contraction: ``rows`` x ``vectors`` accumulators.

The estimate of a tile is the part of the multiply-add peak it can reach:

* legal: ``rows * vectors + vectors + 1`` registers (accumulators, one row of the right operand, one broadcast), one
  more where a product is not added by the same instruction;
* latency: at least ``latency * units`` independent accumulators, and some to spare;
* loads: ``rows`` broadcasts and ``vectors`` loads per step must not exceed what the load units deliver;
* streaming: the panel of the right operand comes from the second cache, at half the rate of loads;
* waste: rows and columns beyond the edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tondo_cpu.machine import FMA_LATENCY, FMA_PER_CYCLE, LOADS_PER_CYCLE, MAX_ROWS, Machine

_OVERHEAD = 0.12
"""Cost of a load next to a multiply-add where they overlap; prefers tiles with more reuse."""
_SLACK = 1.125
"""Accumulators needed for each multiply-add in flight: just as many leave no room for a load that comes late."""
_TWO_HEIGHTS = 0.97
"""Of the speed where tiles have two heights: there is a second loop with an instruction of its own."""
_MAX_VECTORS = 8


@dataclass(frozen=True, slots=True)
class Tile:
    """``rows`` x ``vectors`` (of the machine's lanes)."""

    rows: int
    vectors: int


def legal(tile: Tile, machine: Machine) -> bool:
    """Return whether the tile fits the registers."""
    return tile.rows * tile.vectors + tile.vectors + 1 + machine.spare <= machine.registers


def efficiency(tile: Tile, rows: int | None, columns: int | None, machine: Machine) -> float:
    """Return the estimated part of the peak for a problem of ``rows`` x ``columns`` (None: unknown) in equal tiles."""
    return _reached(tile, machine) * _filled(rows, tile.rows) * _filled(columns, tile.vectors * machine.lanes)


def uneven_efficiency(tile: Tile, rows: int | None, columns: int | None, machine: Machine) -> float:
    """Return the estimate where tiles may have two heights, see :func:`heights`."""
    equal = efficiency(even(tile, rows), rows, columns, machine)
    if not rows or rows % even(tile, rows).rows == 0:
        return equal
    parts = heights(rows, tile.rows)
    reached = rows / sum(count * height / _reached(Tile(height, tile.vectors), machine) for height, count in parts)
    return max(equal, _TWO_HEIGHTS * reached * _filled(columns, tile.vectors * machine.lanes))


def uneven(tile: Tile, rows: int, machine: Machine) -> bool:
    """Return whether tiles of two heights are faster than equal ones of which the last begins earlier."""
    return uneven_efficiency(tile, rows, None, machine) > efficiency(even(tile, rows), rows, None, machine)


def _reached(tile: Tile, machine: Machine) -> float:
    """Return the estimated part of the peak inside a tile."""
    products = tile.rows * tile.vectors
    latency = min(1.0, products / (_SLACK * FMA_LATENCY * FMA_PER_CYCLE))
    cycles = products / FMA_PER_CYCLE
    loads = min(1.0, cycles / ((tile.rows + tile.vectors) / LOADS_PER_CYCLE))
    reuse = products / (products + _OVERHEAD * (tile.rows + tile.vectors))
    stream = min(1.0, cycles / (2 * tile.vectors)) ** 0.25
    return latency * loads * reuse * stream


def heights(rows: int, most: int) -> tuple[tuple[int, int], ...]:
    """Return the heights of the fewest tiles of at most ``most`` rows that cover ``rows`` exactly, and their counts.

    They are two at most, the larger one first, and differ by one: 49 rows are four tiles of 6 and five of 5.
    """
    tiles = -(-rows // most)
    low, high = divmod(rows, tiles)
    return tuple((height, count) for height, count in ((low + 1, high), (low, tiles - high)) if count)


def _filled(extent: int | None, tile: int) -> float:
    return extent / (-(-extent // tile) * tile) if extent else 1.0


def candidates(
    machine: Machine, rows: int | None, vectors: int | None = None, widest: int | None = None
) -> tuple[Tile, ...]:
    """Return the legal tiles; ``vectors`` fixes their width, ``widest`` limits it."""
    most = MAX_ROWS if rows is None else min(MAX_ROWS, rows)
    limit = _MAX_VECTORS if widest is None else max(1, min(_MAX_VECTORS, widest))
    widths = range(1, limit + 1) if vectors is None else (vectors,)
    tiles = tuple(Tile(r, v) for v in widths for r in range(1, most + 1) if legal(Tile(r, v), machine))
    return tiles or (Tile(1, vectors or 1),)


def best(
    machine: Machine,
    rows: int | None,
    columns: int | None,
    options: tuple[Tile, ...] = (),
    estimate: Callable[[Tile, int | None, int | None, Machine], float] = efficiency,
) -> Tile:
    """Return the tile with the best ``estimate`` among ``options`` (all legal ones by default)."""

    def rank(tile: Tile) -> tuple[float, int]:
        own = even(tile, rows)
        return estimate(own, rows, columns, machine) * _price(own, machine), -tile.vectors

    return max(options or candidates(machine, rows), key=rank)


def _price(tile: Tile, machine: Machine) -> float:
    return 1.0 if machine.tiles is None else machine.tiles.speed(machine.lanes, tile.rows, tile.vectors)


def even(tile: Tile, rows: int | None) -> Tile:
    """Return the tile with the fewest rows that needs as many tiles: for 49 rows, tiles of 7 instead of 8."""
    if not rows:  # unknown, or nothing to compute
        return tile
    count = -(-rows // tile.rows)
    return Tile(-(-rows // count), tile.vectors)
