"""``specialize``: neighbouring nests exist twice, once where a condition on the dimensions holds.

Before::

    for i in range(n):
        B[i] = A[i] * 2

After ``specialize(("B",), "i", 8)``::

    if n >= 8:
        for i in range(n):
            B[i] = A[i] * 2
    else:
        for i_1 in range(n):
            B[i_1] = A[i_1] * 2

Each version may then be scheduled under its own assumption. Intermediate buffers that only these blocks use exist
once per version. Refused if the blocks are not neighbours.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import (
    Allocate,
    Block,
    Buffer,
    Expr,
    If,
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


def apply(function: TensorFunction, blocks: tuple[str, ...], condition: Expr) -> tuple[TensorFunction, tuple[str, ...]]:
    """Return the function and the names of the blocks in the version for which the condition does not hold.

    Raises:
        TondoError: TND-B003 if the blocks are not neighbours.
    """
    tops = [nest_of(block_place(function, name, "specialize")) for name in blocks]
    nests = list(dict.fromkeys(top.node for top in tops))
    parent = tops[0].around[-1] if tops[0].around else None
    if any((top.around[-1] if top.around else None) is not parent for top in tops):
        refuse("specialize", f"blocks {', '.join(blocks)}", "they are not neighbours")
    if len(nests) > 1:
        if not isinstance(parent, Seq):
            refuse("specialize", f"blocks {', '.join(blocks)}", "they are not neighbours")
        first = next(i for i, item in enumerate(parent.stmts) if item is nests[0])
        if any(a is not b for a, b in zip(parent.stmts[first : first + len(nests)], nests, strict=False)):
            refuse("specialize", f"blocks {', '.join(blocks)}", "they are not neighbours")
    body = seq(*nests)
    private = _private(function, body)
    names = Names(function)
    other, renamed = _renamed(body, private, names)
    then = _allocated(body, private)
    version: Stmt = If(condition, then, other)
    made = _replaced(function, tops[0], nests, version)
    for buffer in private:
        made = without_allocation(made, buffer)
    return made, tuple(renamed[name] for name in blocks)


def _private(function: TensorFunction, body: Stmt) -> list[Buffer]:
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


def _renamed(body: Stmt, private: list[Buffer], names: Names) -> tuple[Stmt, dict[str, str]]:
    variables, _, blocks = definitions(body)
    values: dict[Var, Expr] = {var: Var(names(var.name), var.dtype) for var in dict.fromkeys(variables)}
    buffers = {buffer: replace(buffer, name=names(buffer.name)) for buffer in private}
    block_names = {name: names(name) for name in blocks}

    def change(item: Node) -> Node:
        return replace(item, name=block_names[item.name]) if isinstance(item, Block) else item

    made = rewrite(substitute(body, values, buffers), change)
    assert isinstance(made, Stmt)
    return _allocated(made, list(buffers.values())), block_names


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
