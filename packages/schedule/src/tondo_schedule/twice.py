"""Neighbouring nests in two versions, each with intermediate buffers of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tondo.ir import (
    Allocate,
    Block,
    Buffer,
    Expr,
    Node,
    Seq,
    Stmt,
    TensorFunction,
    Var,
    definitions,
    rewrite,
    seq,
    substitute,
    walk,
)
from tondo_schedule.primitives.compute_inline import without_allocation
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import Names, Place, block_place, blocks_of, nest_of, put, touches, with_body

Join = Callable[[Stmt, Stmt, Mapping[Var, Var]], Stmt]
"""What becomes of both versions, given the variables of the second one by those of the first."""


def twice(
    function: TensorFunction, blocks: tuple[str, ...], primitive: str, join: Join
) -> tuple[TensorFunction, tuple[str, ...]]:
    """Return the function with both versions joined, and the names of the blocks in the second one.

    Intermediate buffers that only these blocks use exist once per version.

    Raises:
        TondoError: TND-B003, as of ``primitive``, if the blocks are not neighbours.
    """
    tops = [nest_of(block_place(function, name, primitive)) for name in blocks]
    nests = list(dict.fromkeys(top.node for top in tops))
    parent = tops[0].around[-1] if tops[0].around else None
    if any((top.around[-1] if top.around else None) is not parent for top in tops):
        refuse(primitive, f"blocks {', '.join(blocks)}", "they are not neighbours")
    if len(nests) > 1:
        if not isinstance(parent, Seq):
            refuse(primitive, f"blocks {', '.join(blocks)}", "they are not neighbours")
        first = next(i for i, item in enumerate(parent.stmts) if item is nests[0])
        if any(a is not b for a, b in zip(parent.stmts[first : first + len(nests)], nests, strict=False)):
            refuse(primitive, f"blocks {', '.join(blocks)}", "they are not neighbours")
    body = seq(*nests)
    own = private(function, body)
    variables, other, names = _renamed(body, own, Names(function))
    made = _replaced(function, tops[0], nests, join(_allocated(body, own), other, variables))
    for buffer in own:
        made = without_allocation(made, buffer)
    return made, tuple(names[name] for name in blocks)


def private(function: TensorFunction, body: Stmt) -> list[Buffer]:
    """Return the buffers that ``function`` allocates and only blocks in ``body`` use."""
    inside = {block.name for block in blocks_of(body)}
    allocated = [item.buffer for item in walk(function.body) if isinstance(item, Allocate)]
    return [
        buffer
        for buffer in allocated
        if touches(body, buffer)
        and not any(block.name not in inside and touches(block, buffer) for block in blocks_of(function.body))
    ]


def _allocated(body: Stmt, buffers: list[Buffer]) -> Stmt:
    for buffer in reversed(buffers):
        body = Allocate(buffer, body)
    return body


def _renamed(body: Stmt, own: list[Buffer], names: Names) -> tuple[dict[Var, Var], Stmt, dict[str, str]]:
    variables, _, blocks = definitions(body)
    fresh = {var: Var(names(var.name), var.dtype) for var in dict.fromkeys(variables)}
    values: dict[Var, Expr] = dict(fresh)
    buffers = {buffer: replace(buffer, name=names(buffer.name)) for buffer in own}
    block_names = {name: names(name) for name in blocks}

    def change(item: Node) -> Node:
        return replace(item, name=block_names[item.name]) if isinstance(item, Block) else item

    made = rewrite(substitute(body, values, buffers), change)
    assert isinstance(made, Stmt)
    return fresh, _allocated(made, list(buffers.values())), block_names


def _replaced(function: TensorFunction, top: Place, nests: list[Stmt], version: Stmt) -> TensorFunction:
    if len(nests) == 1:
        return with_body(function, put(top, version))
    parent = top.around[-1]
    assert isinstance(parent, Seq)
    items: list[Stmt] = []
    for item in parent.stmts:
        if item is nests[0]:
            items.append(version)
        elif not any(item is nest for nest in nests):
            items.append(item)
    return with_body(function, put(Place(top.around), seq(*items)))
