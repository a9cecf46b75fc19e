"""``reindex``: a block reads a copy of a buffer that has one dimension per iteration variable (im2col).

Before::

    for i in range(6):
        for k in range(3):
            C[i] += A[i * 2 + k] * W[k]

After ``reindex("C", "A")``::

    A_by: memory[6, 3]
    for A_by_l0 in range(6):
        for A_by_l1 in range(3):
            A_by[A_by_l0, A_by_l1] = A[A_by_l0 * 2 + A_by_l1]
    for i in range(6):
        for k in range(3):
            C[i] += A_by[i, k] * W[k]

The dimensions are those of the variables that index the buffer, in the order of the block. Refused if the block reads
the buffer at several places, does not read it, or writes it, or if it reads beyond it under a condition.
"""

from __future__ import annotations

from tondo.ir import (
    GLOBAL,
    Allocate,
    Buffer,
    Const,
    Expr,
    IterVar,
    Load,
    Node,
    Store,
    TensorFunction,
    Var,
    nest,
    rewrite,
    seq,
    substitute,
    walk,
)
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    analyzer_for,
    block_at,
    block_place,
    nest_of,
    put,
    stores_of,
    with_body,
    with_regions,
)


def apply(function: TensorFunction, block: str, buffer: str) -> tuple[TensorFunction, str]:
    """Return the function and the name of the copying block.

    Raises:
        TondoError: TND-B003 if the block does not read the buffer at one place.
    """
    place = block_place(function, block, "reindex")
    node = block_at(place)
    subject = f"block '{block}'"
    read = {item for item in walk(node.body) if isinstance(item, Load) and item.buffer.name == buffer}
    if not read or any(store.buffer.name == buffer for store in stores_of(node.body)):
        refuse("reindex", subject, f"it does not just read '{buffer}'")
    if len(read) > 1:
        refuse("reindex", subject, f"it reads '{buffer}' at {len(read)} places")
    (load,) = read
    known = analyzer_for(function)
    for it in node.iters:
        known = known.with_range(it.var, Const(0), it.extent)
    for index, size in zip(load.indices, load.buffer.shape, strict=True):
        if not (known.prove(index >= 0) and known.prove(index < size)):
            refuse("reindex", subject, f"a load of '{buffer}' may leave it where it is not wanted")
    used = {item for index in load.indices for item in walk(index) if isinstance(item, Var)}
    axes = [it for it in node.iters if it.var in used]
    names = Names(function)
    copy = Buffer(names(f"{buffer}_by"), tuple(it.extent for it in axes), load.buffer.dtype, GLOBAL)
    iters = tuple(
        IterVar(Var(names(f"{copy.name}_{i}")), it.extent, Var(names(f"{copy.name}_l{i}"))) for i, it in enumerate(axes)
    )
    values: dict[Var, Expr] = {old.var: new.var for old, new in zip(axes, iters, strict=True)}
    gathered = substitute(Load(load.buffer, load.indices), values)
    copying = nest(copy.name, iters, Store(copy, tuple(it.var for it in iters), gathered))

    def change(item: Node) -> Node:
        return Load(copy, tuple(it.var for it in axes)) if item == load else item

    made = with_body(function, put(place, with_regions(node, rewrite(node.body, change))))
    top = nest_of(block_place(made, block))
    return with_body(made, Allocate(copy, put(top, seq(copying, top.node)))), copy.name
