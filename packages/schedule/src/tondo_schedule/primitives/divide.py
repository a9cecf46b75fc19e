"""``divide``: neighbouring nests run twice, each time for one part of an axis that they share.

Before::

    for i in range(7):
        for l in range(2):
            T[i, l] = A[i, l] * 2
    for j in range(7):
        for m in range(2):
            B[j, m] = T[j, m] + 1

After ``divide(("T", "B"), (i, j), 4)``::

    T_1: memory[7, 2]
    for i in range(4):
        for l in range(2):
            T[i, l] = A[i, l] * 2
    for j in range(4):
        for m in range(2):
            B[j, m] = T[j, m] + 1
    for i_1 in range(3):
        for l_1 in range(2):
            T_1[4 + i_1, l_1] = A[4 + i_1, l_1] * 2
    for j_1 in range(3):
        for m_1 in range(2):
            B[4 + j_1, m_1] = T_1[4 + j_1, m_1] + 1

Each part can be tiled by itself: seven rows as tiles of four and three. Intermediate buffers that only these blocks use
exist once per part. Refused if the blocks are not neighbours, each in a nest of its own, if what one of them writes for
the others is not indexed by the axis in all of them, and if the point does not lie inside the axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tondo.ir import (
    Block,
    Buffer,
    Const,
    Expr,
    For,
    Load,
    Node,
    Stmt,
    Store,
    TensorFunction,
    Var,
    add,
    rewrite,
    seq,
    substitute,
    walk,
)
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import analyzer_for, block_at, block_place, loop_at, loop_place, nest_of, stores_of, touches
from tondo_schedule.twice import private, twice


def apply(
    function: TensorFunction, blocks: tuple[str, ...], loops: tuple[Var, ...], point: int
) -> tuple[TensorFunction, tuple[str, ...]]:
    """Return the function and the names of the blocks in the second part.

    Args:
        function: the scheduled function.
        blocks: in the order in which they run.
        loops: over the axis, of each block its own.
        point: iterations of the first part.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    subject = f"blocks {', '.join(blocks)}"
    if len(loops) != len(blocks):
        refuse("divide", subject, f"there are {len(loops)} loops for them")
    extents = {_extent(function, loop) for loop in loops}
    if len(extents) != 1:
        refuse("divide", subject, "their loops are of different extents")
    (extent,) = extents
    if extent is None or not 0 < point < extent:
        refuse("divide", subject, f"{point} is not proven to lie inside the axis")
    for name, loop in zip(blocks, loops, strict=True):
        _check_axis(function, name, loop)
    _check_buffers(function, blocks, loops)

    def join(one: Stmt, other: Stmt, fresh: Mapping[Var, Var]) -> Stmt:
        first = _bounded(one, dict.fromkeys(loops, 0), point)
        return seq(first, _bounded(other, {fresh[loop]: point for loop in loops}, extent - point))

    return twice(function, blocks, "divide", join)


def _extent(function: TensorFunction, loop: Var) -> int | None:
    place = loop_place(function, loop, "divide")
    node = loop_at(place)
    extent = analyzer_for(function, place).simplify(node.extent)
    return int(extent.value) if isinstance(extent, Const) and node.begin == Const(0) else None


def _check_axis(function: TensorFunction, name: str, loop: Var) -> None:
    """Refuse what is no sum of its own for each iteration of ``loop``."""
    place = block_place(function, name, "divide")
    top = nest_of(place).node
    inside = {item.var for item in walk(top) if isinstance(item, For)}
    if loop not in inside:
        refuse("divide", f"block '{name}'", f"loop '{loop.name}' is not in its nest")
    for it in block_at(place).iters:
        used = {item for item in walk(it.binding) if isinstance(item, Var)}
        if it.kind == "reduction" and (loop in used or not used <= inside):
            refuse("divide", f"block '{name}'", f"its reduction over '{it.var.name}' does not lie inside the axis")


def _check_buffers(function: TensorFunction, blocks: tuple[str, ...], loops: tuple[Var, ...]) -> None:
    """Refuse if a part would read what the other one writes."""
    nodes = [block_at(block_place(function, name)) for name in blocks]
    own = private(function, seq(*(nest_of(block_place(function, name)).node for name in blocks)))
    for node in nodes:
        for buffer in {store.buffer for store in stores_of(node.body)}:
            users = [item for item in zip(nodes, loops, strict=True) if touches(item[0], buffer)]
            shared = set[int](range(buffer.rank)).intersection(*(_along(*item, buffer) for item in users))
            if len(users) > 1 and not (buffer in own and shared):
                refuse("divide", f"block '{node.name}'", f"others use '{buffer.name}' at other places of the axis")


def _along(block: Block, loop: Var, buffer: Buffer) -> set[int]:
    """Return the dimensions that ``block`` indexes with ``loop`` alone wherever it uses ``buffer``."""
    values: dict[Var, Expr] = {it.var: it.binding for it in block.iters}
    roots: list[Node] = [block.body] if block.init is None else [block.body, block.init]
    uses = [
        item.indices
        for root in roots
        for item in walk(root)
        if isinstance(item, (Load, Store)) and item.buffer == buffer
    ]
    return {
        place for place in range(buffer.rank) if all(substitute(indices[place], values) == loop for indices in uses)
    }


def _bounded(body: Stmt, begins: Mapping[Var, int], extent: int) -> Stmt:
    """Return ``body`` with ``extent`` iterations of the loops, the first of which is that of ``begins``."""

    def change(item: Node) -> Node:
        if not isinstance(item, For) or item.var not in begins:
            return item
        begin = begins[item.var]
        inside = item.body if not begin else substitute(item.body, {item.var: add(Const(begin), item.var)})
        return replace(item, extent=Const(extent, item.extent.dtype), body=inside)

    made = rewrite(body, change)
    assert isinstance(made, Stmt)
    return made
