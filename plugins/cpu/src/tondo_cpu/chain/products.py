"""The two contractions of a row chain on one strip, in register tiles.

::

    for panels, row tiles:                       accumulators = 0
        for k:  rows x vectors x lanes           accumulators += query * key
        strip = accumulators

    for blocks of j, panels, row tiles:          accumulators = sums so far
        for j:  rows x vectors x lanes           accumulators += strip * value
        sums so far = accumulators, or after the last block: result = what follows of them

Rows behind the last one are computed as the last one again. Columns behind the last one are those of the padding of
packed keys, and of no consequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tondo.ir import (
    LOCAL,
    Allocate,
    Binary,
    Buffer,
    Const,
    Expr,
    If,
    IterVar,
    Load,
    Stmt,
    Store,
    Var,
    add,
    ceildiv,
    floordiv,
    minimum,
    mul,
    seq,
    sub,
)
from tondo_cpu.chain.frame import Frame, clamped, loop, product_of, store, with_loads
from tondo_cpu.chain.pack import Packed
from tondo_cpu.contraction.tile import Tile
from tondo_schedule.facts import Stage


def scores(frame: Frame, tile: Tile, packed: Packed) -> Stmt:
    """Return the first contraction on the strip, from packed keys."""
    chain, stage = frame.chain, frame.chain.first
    panel, block = frame.fresh("panel"), frame.fresh("block")
    depth = _named(frame, stage.reduction)

    def product(row: Expr, lane: Expr) -> Expr:
        column = add(mul(panel, packed.panel), lane)
        point = frame.point(stage, clamped(row, frame.count), column) | depth
        return with_loads(product_of(stage), {chain.keys: packed.load(point, panel, lane)}, point)

    def place(row: Expr, lane: Expr) -> Load:
        return frame.place(stage.output, clamped(row, frame.count), add(mul(panel, packed.panel), lane))

    loops = [(depth[it.var], it.extent) for it in stage.reduction]
    body = _tile(frame, stage, tile, block, loops, product, lambda row, lane, cell: store(place(row, lane), cell))
    body = loop(block, ceildiv(frame.count, tile.rows), body)
    return loop(panel, ceildiv(chain.column.extent, packed.panel), body)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Columns of the strip taken in turn, so that their values stay in a near cache for all rows.

    Attributes:
        keys: columns of a block.
        sums: memory of the sums so far, per chunk, row and column of the result.
    """

    keys: int
    sums: Buffer


def results(frame: Frame, tile: Tile, width: int, blocks: Blocks | None = None) -> Stmt:
    """Return the last contraction from the strip, with what follows it; ``width`` columns in all."""
    extent = frame.chain.column.extent
    if blocks is None:
        return _all_columns(frame, tile, width, _Keys(Const(0), extent, None))
    turn = frame.fresh("turn")
    first = mul(turn, blocks.keys)
    keys = _Keys(first, minimum(blocks.keys, sub(extent, first)), blocks.sums)
    return loop(turn, ceildiv(extent, blocks.keys), _all_columns(frame, tile, width, keys))


@dataclass(frozen=True, slots=True)
class _Keys:
    """The columns of the strip from ``first`` on, ``count`` in all; ``sums`` holds the sum of those before."""

    first: Expr
    count: Expr
    sums: Buffer | None


def _all_columns(frame: Frame, tile: Tile, width: int, keys: _Keys) -> Stmt:
    """Return the sum over ``keys`` for all columns of the result."""
    full = tile.vectors * frame.lanes
    parts: list[Stmt] = []
    panels, rest = divmod(width, full)
    if panels:
        panel = frame.fresh("part")
        parts.append(loop(panel, panels, _results(frame, tile, mul(panel, full), None, keys)))
    if rest // frame.lanes:
        parts.append(_results(frame, Tile(tile.rows, rest // frame.lanes), Const(panels * full), None, keys))
    if rest % frame.lanes:
        parts.append(_results(frame, Tile(tile.rows, 1), Const(width - rest % frame.lanes), width, keys))
    return seq(*parts)


def _point(frame: Frame, row: Expr, column: Expr) -> dict[Var, Expr]:
    """Return the values of the spatial variables of the last contraction."""
    values = {it.var: value for it, value in zip(frame.chain.rows, frame.at(row), strict=True)}
    return values | {frame.chain.width.var: column}


def _results(frame: Frame, tile: Tile, begin: Expr, limit: int | None, keys: _Keys) -> Stmt:
    """Return the columns of the result from ``begin`` on; those from ``limit`` on do not exist."""
    chain, stage = frame.chain, frame.chain.last
    block, column = frame.fresh("block"), frame.fresh("column")
    rows_load = next(load for load in _operands(stage) if load != chain.values)

    def product(row: Expr, lane: Expr) -> Expr:
        key = add(keys.first, column)
        at = _point(frame, clamped(row, frame.count), add(begin, lane)) | {chain.column.var: key}
        loads: dict[Load, Expr] = {rows_load: frame.place(rows_load.buffer, clamped(row, frame.count), key)}
        if limit is not None:
            indices = tuple(with_loads(index, {}, at) for index in chain.values.indices)
            loads[chain.values] = Load(chain.values.buffer, indices, add(begin, lane) < limit)
        return with_loads(product_of(stage), loads, at)

    def kept(row: Expr, lane: Expr) -> Load:
        assert keys.sums is not None
        return Load(keys.sums, (frame.chunk, clamped(row, frame.count), add(begin, lane)))

    def within(lane: Expr, made: Stmt) -> Stmt:
        return made if limit is None else If(add(begin, lane) < limit, made)

    def finish(row: Expr, lane: Expr, cell: Load) -> Stmt:
        at = _point(frame, clamped(row, frame.count), add(begin, lane))
        divisor = frame.divisor(clamped(row, frame.count))
        value = cell if divisor is None else Binary("div", cell, divisor)
        return within(lane, following(frame, at, value))

    sums: _Sums | None = None
    if keys.sums is not None:
        sums = _Sums(
            keys.first > 0,
            add(keys.first, keys.count) < chain.column.extent,
            lambda row, lane, cell: within(lane, store(cell, kept(row, lane))),
            lambda row, lane, cell: within(lane, store(kept(row, lane), cell)),
        )
    body = _tile(frame, stage, tile, block, [(column, keys.count)], product, finish, sums)
    return loop(block, ceildiv(frame.count, tile.rows), body)


def following(frame: Frame, point: Mapping[Var, Expr], value: Expr) -> Store:
    """Return the store of ``value``, the result of the last contraction at ``point``, after what follows it."""
    before = frame.chain.last
    place = tuple(with_loads(index, {}, point) for index in before.store.indices)
    for stage in frame.chain.after:
        (access,) = stage.reads_of(before.output)
        own = {it.var: Const(0) for it in stage.spatial}
        known: dict[Var, Expr] = dict(own)
        known |= {index: at for index, at in zip(access.indices, place, strict=True) if isinstance(index, Var)}
        value = with_loads(stage.store.value, {access.load: value}, known)
        place = tuple(with_loads(index, {}, known) for index in stage.store.indices)
        before = stage
    return Store(before.output, place, value)


_Cells = Callable[[Expr, Expr, Load], Stmt]
"""What happens to the accumulator (the last argument) of a row and a lane."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """What happens around a block of keys: if any came before ``restore``, if more will come ``save``."""

    begun: Expr
    unfinished: Expr
    restore: _Cells
    save: _Cells


def _tile(
    frame: Frame,
    stage: Stage,
    tile: Tile,
    block: Var,
    depth: Sequence[tuple[Var, Expr]],
    product: Callable[[Expr, Expr], Expr],
    finish: _Cells,
    sums: _Sums | None = None,
) -> Stmt:
    """Return one register tile: rows from ``block * tile.rows`` on; lanes count from the first column of the tile."""
    dtype = stage.output.dtype
    shape = (Const(tile.rows), Const(tile.vectors * frame.lanes))
    own = Buffer(frame.names("accumulators"), shape, dtype, LOCAL)

    def at(row: Expr) -> Expr:
        return add(mul(block, tile.rows), row)

    def over(statement: Callable[[Expr, Expr, Load], Stmt]) -> Stmt:
        row, vector, lane = frame.fresh("row"), frame.fresh("vector"), frame.fresh("lane")
        spot: Expr = lane if tile.vectors == 1 else add(mul(vector, frame.lanes), lane)
        line: Expr = Const(0) if tile.rows == 1 else row
        body: Stmt = loop(lane, frame.lanes, statement(line, spot, Load(own, (line, spot))), "vectorized")
        body = body if tile.vectors == 1 else loop(vector, tile.vectors, body, "unrolled")
        return body if tile.rows == 1 else loop(row, tile.rows, body, "unrolled")

    def each(cells: _Cells) -> Stmt:
        return over(lambda row, lane, cell: cells(at(row), lane, cell))

    start = over(lambda _row, _lane, cell: store(cell, Const(0, dtype)))
    step = over(lambda row, lane, cell: store(cell, add(cell, product(at(row), lane))))
    for var, extent in reversed(depth):
        step = loop(var, extent, step)
    end = each(finish)
    if sums is not None:
        start = seq(start, If(sums.begun, each(sums.restore)))
        end = If(sums.unfinished, each(sums.save), end)
    return Allocate(own, seq(start, step, end))


def single_scores(frame: Frame) -> Stmt:
    """Return the first contraction of one row, from keys in place: along memory or, if they lie that way, across."""
    chain, stage = frame.chain, frame.chain.first
    depth = _named(frame, stage.reduction)
    inner = stage.reduction[-1]
    column, lane, chunk = frame.fresh("column"), frame.fresh("lane"), frame.fresh("vector")
    dtype = stage.output.dtype
    own = Buffer(frame.names("partial"), (Const(frame.lanes),), dtype, LOCAL)
    target = frame.place(stage.output, Const(0), column)
    cell = Load(own, (lane,))

    def at(position: Expr) -> Expr:
        point = frame.point(stage, Const(0), column) | depth | {inner.var: position}
        return with_loads(product_of(stage), {}, point)

    def lanes(body: Stmt) -> Stmt:
        return loop(lane, frame.lanes, body, "vectorized")

    step: Stmt = lanes(store(cell, add(cell, at(add(mul(chunk, frame.lanes), lane)))))
    whole = floordiv(inner.extent, frame.lanes)
    steps: list[Stmt] = [loop(chunk, whole, step, "unrolled" if _short(whole) else "serial")]
    if not (isinstance(inner.extent, Const) and int(inner.extent.value) % frame.lanes == 0):
        behind = add(mul(whole, frame.lanes), lane)
        steps.append(lanes(If(behind < inner.extent, store(cell, add(cell, at(behind))))))
    body = seq(*steps)
    for it in reversed(stage.reduction[:-1]):
        body = loop(depth[it.var], it.extent, body)
    start = lanes(store(cell, Const(0, dtype)))
    zero = store(target, Const(0, dtype))
    end = lanes(store(target, add(target, cell)))
    return loop(column, chain.column.extent, Allocate(own, seq(start, body, zero, end)))


def across(frame: Frame) -> Stmt:
    """Return the first contraction of one row from keys that are contiguous along the columns."""
    chain, stage = frame.chain, frame.chain.first
    depth = _named(frame, stage.reduction)
    vector, lane = frame.fresh("vector"), frame.fresh("lane")
    dtype = stage.output.dtype
    own = Buffer(frame.names("partial"), (Const(frame.lanes),), dtype, LOCAL)
    cell, column = Load(own, (lane,)), add(mul(vector, frame.lanes), lane)
    point = frame.point(stage, Const(0), column) | depth

    def lanes(body: Stmt, *, masked: bool) -> Stmt:
        inside = If(column < chain.column.extent, body) if masked else body
        return loop(lane, frame.lanes, inside, "vectorized")

    step = lanes(store(cell, add(cell, with_loads(product_of(stage), {}, point))), masked=True)
    for it in reversed(stage.reduction):
        step = loop(depth[it.var], it.extent, step)
    start = lanes(store(cell, Const(0, dtype)), masked=False)
    end = lanes(store(frame.place(stage.output, Const(0), column), cell), masked=True)
    return loop(vector, ceildiv(chain.column.extent, frame.lanes), Allocate(own, seq(start, step, end)))


def _short(count: Expr) -> bool:
    return isinstance(count, Const) and int(count.value) <= 8


def _named(frame: Frame, axes: Sequence[IterVar]) -> dict[Var, Var]:
    return {it.var: frame.fresh("depth") for it in axes}


def _operands(stage: Stage) -> tuple[Load, Load]:
    assert stage.contraction is not None
    return stage.contraction.left, stage.contraction.right
