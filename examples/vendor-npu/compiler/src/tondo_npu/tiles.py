"""Where the tiles of a scheduled function lie in the memories of the accelerator.

A buffer with a scope of the device is as large as the whole problem in the schedule; what is there at one time is what
is used between the loops around all of its uses. That part gets a place; indices count from its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tondo.arith import Analyzer, project
from tondo.diagnostics import fail
from tondo.ir import (
    Allocate,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    Load,
    Range,
    Region,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    add,
    sub,
    substitute,
    walk,
)
from tondo_npu.machine import ACCUMULATOR, SCRATCHPAD
from tondo_npu_runtime.isa import Space
from tondo_schedule.tree import INTRINSIC

SPACES = {SCRATCHPAD: Space.SCRATCHPAD, ACCUMULATOR: Space.ACCUMULATOR}


@dataclass(frozen=True, slots=True)
class DeviceTile:
    """A part of a buffer that lies on the device.

    Attributes:
        space: in which memory.
        begin: its first element.
        low: where it begins in the buffer, per dimension, over the loops around.
        shape: its extents.
    """

    space: Space
    begin: int
    low: tuple[Expr, ...]
    shape: tuple[int, ...]

    @property
    def strides(self) -> tuple[int, ...]:
        """Distances in elements between neighbours, row-major."""
        return tuple(prod(self.shape[place + 1 :]) for place in range(len(self.shape)))


@dataclass(frozen=True, slots=True)
class Leaf:
    """A block with the loops around it; its variables are replaced by their bindings."""

    block: Block
    loops: tuple[For, ...]


def leaves(stmt: Stmt, loops: tuple[For, ...] = ()) -> Iterator[Leaf]:
    """Yield the blocks of a scheduled function in order.

    Raises:
        TondoError: TND-B004 for a statement that no schedule of this package makes.
    """
    match stmt:
        case Allocate():
            yield from leaves(stmt.body, loops)
        case Seq():
            for item in stmt.stmts:
                yield from leaves(item, loops)
        case For():
            yield from leaves(stmt.body, (*loops, stmt))
        case Block():
            yield Leaf(bound(stmt), loops)
        case _:
            fail("TND-B004", f"the accelerator has no instruction for '{type(stmt).__name__}'")


def bound(block: Block) -> Block:
    """Return ``block`` over the loops around it instead of its own variables."""
    values = {it.var: it.binding for it in block.iters}
    made = substitute(Block("", (), block.reads, block.writes, block.body, block.init, None, block.attrs), values)
    return Block(block.name, (), made.reads, made.writes, made.body, made.init, block.predicate, block.attrs)


def regions(block: Block) -> Iterator[Region]:
    """Yield what ``block`` touches: the tiles of an instruction, else single elements."""
    if INTRINSIC in block.attrs:
        yield from (*block.reads, *block.writes)
        return
    for item in walk(block.body):
        if isinstance(item, (Load, Store)):
            yield Region(item.buffer, tuple(Range(index, Const(1)) for index in item.indices))


def device_tiles(function: TensorFunction) -> tuple[Mapping[Buffer, DeviceTile], Mapping[Space, int]]:
    """Return the tile of each buffer on the device, and how many elements of each memory are used.

    Raises:
        TondoError: TND-B004 for a tile whose size is not constant.
    """
    used: dict[Buffer, list[tuple[Region, tuple[For, ...]]]] = {}
    for leaf in leaves(function.body):
        for region in regions(leaf.block):
            if region.buffer.scope in SPACES:
                used.setdefault(region.buffer, []).append((region, leaf.loops))
    ends = dict.fromkeys(Space, 0)
    tiles: dict[Buffer, DeviceTile] = {}
    for buffer, uses in used.items():
        space = SPACES[buffer.scope]
        low, shape = _part(function.name, buffer, uses)
        tiles[buffer] = DeviceTile(space, ends[space], low, shape)
        ends[space] += prod(shape)
    return tiles, ends


def _part(
    name: str, buffer: Buffer, uses: Sequence[tuple[Region, tuple[For, ...]]]
) -> tuple[tuple[Expr, ...], tuple[int, ...]]:
    """Return where the part of ``buffer`` that is there at one time begins, and its shape."""
    common = _common([loops for _, loops in uses])
    lows: list[Expr] = []
    shape: list[int] = []
    known = Analyzer({loop.var: (loop.begin, loop.extent) for loop in common})
    for dim in range(buffer.rank):
        low: Expr | None = None
        extent = 1
        for region, loops in uses:
            inner = {loop.var: (loop.begin, loop.extent) for loop in loops[len(common) :]}
            first = region.ranges[dim]
            reach = project(first.begin, inner, known)
            size = None if reach is None else known.simplify(add(sub(reach[1], reach[0]), first.extent))
            if reach is None or not isinstance(size, Const) or (low is not None and not known.prove(low.eq(reach[0]))):
                fail("TND-B004", f"'{name}': the tile of '{buffer.name}' has no constant place and size")
            low = known.simplify(reach[0])
            extent = max(extent, int(size.value))
        assert low is not None
        lows.append(low)
        shape.append(extent)
    return tuple(lows), tuple(shape)


def _common(paths: Sequence[tuple[For, ...]]) -> tuple[For, ...]:
    shortest = min(paths, key=len)
    for place, loop in enumerate(shortest):
        if any(path[place].var != loop.var for path in paths):
            return shortest[:place]
    return shortest


def local(indices: Sequence[Expr], tile: DeviceTile, known: Analyzer) -> tuple[Expr, ...]:
    """Return indices of a buffer as indices of its tile."""
    return tuple(known.simplify(sub(index, low)) for index, low in zip(indices, tile.low, strict=True))
