"""The decisions of a row chain's schedule: register tiles, rows of a strip, chunks of a parallel region."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.arith import Analyzer
from tondo.ir import Const, Expr
from tondo_cpu.contraction.tile import Tile, best, even
from tondo_cpu.machine import FLOPS_PER_SECOND, Machine, grain_for
from tondo_schedule.facts import RowChain

FEW_ROWS: int = 4
"""Fewer rows than this do not pay for packing the keys: each is computed by itself."""
_MOST_ROWS = 64
_ROWS_UNKNOWN = 48
_CHUNKS = 8
"""Chunks per thread: enough to share the work evenly, few enough to keep their scratch memory small."""
_VECTORS = 4
"""Vectors of a panel of columns of unknown number, at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernel is built from.

    Attributes:
        rows: rows of a strip.
        scores: register tile of the first contraction.
        results: register tile of the last one.
        chunks: iterations of the parallel loop, at most; each has scratch memory of its own.
        keys: columns of the strip whose values stay in the second cache while all rows of the strip are summed.
        lanes: elements of a vector.
    """

    rows: int
    scores: Tile
    results: Tile
    chunks: int
    keys: int
    lanes: int

    @property
    def panel(self) -> int:
        """Columns of a packed panel of keys."""
        return self.scores.vectors * self.lanes


def tiles_of(chain: RowChain, machine: Machine, known: Analyzer) -> tuple[Tile, Tile]:
    """Return the register tiles of both contractions."""
    rows = _rows(chain, known)
    column, width = (constant(known, it.extent) for it in (chain.column, chain.width))
    least = None if rows is None else min(rows, _MOST_ROWS)
    # Of an unknown number of columns the last panel is half empty on average: narrow ones waste less.
    scores = best(machine, least, _VECTORS * machine.lanes if column is None else column)
    return even(scores, least), even(best(machine, least, width), least)


def rows_of(chain: RowChain, tiles: tuple[Tile, Tile], machine: Machine, known: Analyzer) -> int:
    """Return the rows of a strip: what fits half of the second cache, evenly divided, without idle parts of tiles."""
    total, column = _rows(chain, known), constant(known, chain.column.extent)
    step = max(tile.rows for tile in tiles)
    fits = _ROWS_UNKNOWN if column is None else machine.l2 // 2 // (column * chain.first.output.dtype.bytes)
    most = max(step, min(_MOST_ROWS if total is not None else _ROWS_UNKNOWN, fits))
    if total is None:
        return most // step * step
    outer = _count(chain, known)
    wanted = 1 if outer is None else -(-2 * machine.threads // outer)
    most = max(step, min(most, -(-total // wanted)))
    strips = range(-(-total // (most + step)), -(-total // step) + 1)
    sizes = {-(-total // count) for count in strips if count}
    fitting = [size for size in sizes if size <= most + step] or [min(total, most)]

    def waste(size: int) -> float:
        whole, rest = divmod(total, size)
        computed = sum(-(-part // tile.rows) * tile.rows for part in [size] * whole + [rest] for tile in tiles)
        return computed / (2 * total) + 0.5 * step / size

    return min(fitting, key=waste)


def keys_of(chain: RowChain, machine: Machine, known: Analyzer) -> int:
    """Return the columns of the strip whose values take a sixteenth of the second cache.

    Rows of values are often a large power of two apart, which leaves them only a part of its sets.
    """
    width = constant(known, chain.width.extent) or 1
    return max(64, machine.l2 // 16 // (width * chain.last.output.dtype.bytes) // 16 * 16)


def chunks_of(chain: RowChain, rows: int, machine: Machine, known: Analyzer) -> int:
    """Return into how many parts the work is divided; 1 where threads do not pay."""
    if machine.threads < 2:
        return 1
    outer, total = _count(chain, known), _rows(chain, known)
    column, width = (constant(known, it.extent) for it in (chain.column, chain.width))
    if outer is not None and total is not None and column is not None and width is not None:
        strips = outer * -(-total // rows)
        seconds = 4 * min(rows, total) * column * width / FLOPS_PER_SECOND
        if grain_for(strips, seconds, machine.threads) is None:
            return 1
    return _CHUNKS * machine.threads


def constant(known: Analyzer, extent: Expr) -> int | None:
    """Return the value of an extent if it is constant."""
    value = known.simplify(extent)
    return int(value.value) if isinstance(value, Const) else None


def _rows(chain: RowChain, known: Analyzer) -> int | None:
    return 1 if chain.tile is None else constant(known, chain.rows[chain.tile].extent)


def _count(chain: RowChain, known: Analyzer) -> int | None:
    """Return the product of the row axes beside the tiled one, None if it is not constant."""
    product = 1
    for number, it in enumerate(chain.rows):
        extent = constant(known, it.extent)
        if extent is None:
            return None
        product *= 1 if number == chain.tile else extent
    return product
