"""``reorder``: loops of one nest in another order.

Before::

    for i in range(4):
        for k in range(8):
            for j in range(16):
                C[i, j] += A[i, k] * B[k, j]

After ``reorder(k, i)``::

    for k in range(8):
        for i in range(4):
            for j in range(16):
                C[i, j] += A[i, k] * B[k, j]

The named loops take, in the given order, the places they have now; other loops stay where they are. Refused if the
loops are not one nest around a single block, if a bound depends on a loop that would come to lie inside, or if a
reduction would come to lie outside a loop whose tiles overlap.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Block, For, Stmt, TensorFunction, Var
from tondo_schedule.primitives.split import OVERLAP
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import Place, blocks_of, loop_place, put, uses, with_body


def apply(function: TensorFunction, loops: tuple[Var, ...]) -> tuple[TensorFunction, None]:
    """Return the function with ``loops`` in the given order.

    Raises:
        TondoError: TND-B003 if that is not possible or not legal.
    """
    if len(set(loops)) != len(loops):
        refuse("reorder", f"loops {', '.join(var.name for var in loops)}", "a loop is named twice")
    found = [loop_place(function, var, "reorder") for var in loops]
    top = min(found, key=lambda place: len(place.path))
    chain = _chain(top, set(loops))
    wanted = iter(loops)
    order = [next(wanted) if loop.var in loops else loop.var for loop in chain]
    by_var = {loop.var: loop for loop in chain}
    innermost = chain[-1].body
    blocks = blocks_of(innermost)
    if len(blocks) > 1:
        refuse(
            "reorder",
            f"loop '{loops[0].name}'",
            f"the loops contain several blocks: {', '.join(b.name for b in blocks)}",
        )
    _check(by_var, order, blocks)
    body: Stmt = innermost
    for var in reversed(order):
        body = replace(by_var[var], body=body)
    return with_body(function, put(top, body)), None


def _chain(top: Place, wanted: set[Var]) -> list[For]:
    chain: list[For] = []
    missing = set(wanted)
    stmt: Stmt = top.node
    while missing:
        if not isinstance(stmt, For):
            names = ", ".join(sorted(var.name for var in missing))
            refuse("reorder", f"loop(s) {names}", f"they are not in one nest with '{chain[0].var.name}'")
        chain.append(stmt)
        missing.discard(stmt.var)
        stmt = stmt.body
    return chain


def _check(by_var: dict[Var, For], order: list[Var], blocks: tuple[Block, ...]) -> None:
    for position, var in enumerate(order):
        for later in order[position + 1 :]:
            loop = by_var[var]
            if uses(loop.begin, later) or uses(loop.extent, later):
                refuse("reorder", f"loop '{var.name}'", f"its bounds depend on '{later.name}', which would lie inside")
            if by_var[later].attrs.get(OVERLAP) and any(
                it.kind == "reduction" and uses(it.binding, var) for block in blocks for it in block.iters
            ):
                refuse("reorder", f"loop '{var.name}'", f"it reduces, and the tiles of '{later.name}' overlap")
