"""``cache_write``: a block writes into a buffer of its own, which is then copied.

Before::

    for i in range(4):
        for k in range(8):
            C[i] += A[i, k]

After ``cache_write("C", "local")``::

    C_local: local[4]
    for i in range(4):
        for k in range(8):
            C_local[i] += A[i, k]
    for C_write_l0 in range(4):
        C[C_write_l0] = C_local[C_write_l0]

Together with ``reverse_compute_at`` of the copy this keeps accumulators in registers. A block without a reduction may
store anywhere (``C[i * 4 + j]``): its new buffer then has one axis per iteration variable. Refused for a reduction that
stores at indices other than its plain iteration variables.
"""

from __future__ import annotations

from tondo.ir import (
    Allocate,
    Block,
    Buffer,
    Expr,
    IterVar,
    Load,
    Node,
    Stmt,
    Store,
    TensorFunction,
    Var,
    nest,
    rewrite,
    seq,
    substitute,
)
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    block_at,
    block_place,
    blocks_of,
    loads_of,
    nest_of,
    put,
    single_store,
    stores_of,
    with_body,
    with_regions,
)


def apply(function: TensorFunction, block: str, scope: str) -> tuple[TensorFunction, str]:
    """Return the function and the name of the copying block.

    Raises:
        TondoError: TND-B003 if the block cannot write elsewhere.
    """
    place = block_place(function, block, "cache_write")
    node = block_at(place)
    store = single_store(node, "cache_write")
    subject = f"block '{block}'"
    spatial = {it.var: it for it in node.iters if it.kind == "spatial"}
    plain = [index for index in store.indices if isinstance(index, Var) and index in spatial]
    direct = len(plain) == len(store.indices) and len(set(plain)) == len(plain)
    if not direct and (len(spatial) != len(node.iters) or node.predicate is not None or _reads_back(node, store)):
        refuse(
            "cache_write",
            subject,
            f"it stores '{store.buffer.name}' at indices that are not its spatial iteration variables",
        )
    others = [
        b
        for b in blocks_of(function.body)
        if b.name != block and any(s.buffer == store.buffer for s in stores_of(b.body))
    ]
    if others:
        refuse("cache_write", subject, f"block '{others[0].name}' writes '{store.buffer.name}' too")
    names = Names(function)
    axes = plain if direct else list(spatial)
    shape = store.buffer.shape if direct else tuple(it.extent for it in spatial.values())
    cached = Buffer(names(f"{store.buffer.name}_{scope.replace('.', '_')}"), shape, store.buffer.dtype, scope)

    def change(item: Node) -> Node:
        return cached if item == store.buffer else item

    if direct:
        changed = rewrite(node, change)
    else:
        changed = with_regions(node, Store(cached, tuple(axes), store.value))
    copy = names(f"{block}_write")
    iters = tuple(
        IterVar(Var(names(f"{copy}_{i}")), spatial[index].extent, Var(names(f"{copy}_l{i}")))
        for i, index in enumerate(axes)
    )
    indices = tuple(it.var for it in iters)
    values: dict[Var, Expr] = dict(zip(axes, indices, strict=True))
    target = tuple(substitute(index, values) for index in store.indices)
    writing = nest(copy, iters, Store(store.buffer, target, Load(cached, indices)))
    assert isinstance(changed, Stmt)
    made = with_body(function, put(place, changed))
    top = nest_of(block_place(made, block))
    body = put(top, seq(top.node, writing))
    return with_body(made, Allocate(cached, body)), copy


def _reads_back(block: Block, store: Store) -> bool:
    """Whether the block reads what it stores."""
    return bool(loads_of(block.body, store.buffer))
