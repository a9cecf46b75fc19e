"""``cache_read``: a block reads a copy of a buffer, in another layout if one is given.

Before::

    for i in range(4):
        for j in range(8):
            C[i, j] = A[i, j] + B[j, i]

After ``cache_read("C", "B", IndexMap.permutation((1, 0)))``::

    B_copy: memory[4, 8]
    for B_copy_l0 in range(4):
        for B_copy_l1 in range(8):
            B_copy[B_copy_l0, B_copy_l1] = B[B_copy_l1, B_copy_l0]
    for i in range(4):
        for j in range(8):
            C[i, j] = A[i, j] + B_copy[i, j]

Padding elements of the new layout are written as zero. Refused if the block writes the buffer or does not read it.
"""

from __future__ import annotations

from tondo.ir import (
    GLOBAL,
    Allocate,
    Buffer,
    Const,
    IterVar,
    Load,
    Node,
    Select,
    Store,
    TensorFunction,
    Var,
    nest,
    rewrite,
    seq,
)
from tondo_schedule.layout.index_map import IndexMap
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    block_at,
    block_place,
    domain,
    loads_of,
    nest_of,
    put,
    stores_of,
    with_body,
    with_regions,
)


def apply(
    function: TensorFunction, block: str, buffer: str, index_map: IndexMap | None = None, scope: str = GLOBAL
) -> tuple[TensorFunction, str]:
    """Return the function and the name of the copying block.

    Raises:
        TondoError: TND-B003 if the block does not just read the buffer.
    """
    place = block_place(function, block, "cache_read")
    node = block_at(place)
    read = [item for item in node.reads if item.buffer.name == buffer]
    subject = f"block '{block}'"
    if not read or not loads_of(node.body, read[0].buffer):
        refuse("cache_read", subject, f"it does not read '{buffer}'")
    source = read[0].buffer
    if any(store.buffer == source for store in stores_of(node.body)):
        refuse("cache_read", subject, f"it writes '{buffer}'")
    wanted = index_map or IndexMap.permutation(range(source.rank))
    names = Names(function)
    copy = Buffer(names(f"{buffer}_copy"), wanted.new_shape(source.shape), source.dtype, scope)

    known = domain(node)

    def change(item: Node) -> Node:
        if isinstance(item, Load) and item.buffer == source:
            return Load(copy, wanted.new_index(item.indices, known), item.predicate, item.span)
        return item

    reading = with_regions(node, rewrite(node.body, change))
    iters = tuple(
        IterVar(Var(names(f"{copy.name}_{i}")), e, Var(names(f"{copy.name}_l{i}"))) for i, e in enumerate(copy.shape)
    )
    new = tuple(it.var for it in iters)
    old = wanted.old_index(new)
    inside = wanted.inside(new, source.shape)
    value = source[old] if inside is None else Select(inside, source[old], Const(0, source.dtype))
    copying = nest(copy.name, iters, Store(copy, new, value))
    made = with_body(function, put(place, reading))
    top = nest_of(block_place(made, block))
    return with_body(made, Allocate(copy, put(top, seq(copying, top.node)))), copy.name
