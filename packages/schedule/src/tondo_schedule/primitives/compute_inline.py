"""``compute_inline``: a value is computed where it is used instead of being stored.

Before::

    for i in range(8):
        T[i] = A[i] * 2
    for i in range(8):
        B[i] = T[i] + 1

After ``compute_inline("T")``::

    for i in range(8):
        B[i] = A[i] * 2 + 1

Refused for a reduction, for a block that stores at indices other than its plain iteration variables, for a result of
the function, and if something that the block reads changes before its last use.
"""

from __future__ import annotations

from tondo.ir import Allocate, Block, Buffer, Expr, Load, Node, Stmt, TensorFunction, Var, rewrite, substitute
from tondo_schedule.move import without_nest
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    block_at,
    block_place,
    blocks_of,
    loads_of,
    places,
    put,
    single_store,
    stores_of,
    with_body,
    with_regions,
)


def apply(function: TensorFunction, block: str) -> tuple[TensorFunction, None]:
    """Return the function without ``block``, its value computed by its users.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = block_place(function, block, "compute_inline")
    producer = block_at(place)
    store = single_store(producer, "compute_inline")
    subject = f"block '{block}'"
    variables = [index for index in store.indices if isinstance(index, Var)]
    if producer.init is not None or any(it.kind == "reduction" for it in producer.iters):
        refuse("compute_inline", subject, "it is a reduction")
    if len(set(variables)) != len(store.indices) or {it.var for it in producer.iters} != set(variables):
        refuse(
            "compute_inline",
            subject,
            f"it stores '{store.buffer.name}' at indices that are not its iteration variables",
        )
    if store.buffer in function.output_buffers:
        refuse("compute_inline", subject, f"'{store.buffer.name}' is a result of the function")
    writers = [item for item in blocks_of(function.body) if any(s.buffer == store.buffer for s in stores_of(item.body))]
    if len(writers) > 1 or loads_of(producer.body, store.buffer):
        refuse("compute_inline", subject, f"'{store.buffer.name}' is written more than once")
    rest = without_nest(function, place)
    body = _replace_loads(rest.body, store.buffer, variables, store.value)
    return without_allocation(with_body(rest, body), store.buffer), None


def _replace_loads(body: Stmt, buffer: Buffer, variables: list[Var], value: Expr) -> Stmt:
    def change(item: Node) -> Node:
        if isinstance(item, Load) and item.buffer == buffer:
            return substitute(value, dict(zip(variables, item.indices, strict=True)))
        return item

    def in_block(item: Node) -> Node:
        if isinstance(item, Block) and loads_of(item.body, buffer):
            return with_regions(item, rewrite(item.body, change))
        return item

    result = rewrite(body, in_block)
    assert isinstance(result, Stmt)
    return result


def without_allocation(function: TensorFunction, buffer: Buffer) -> TensorFunction:
    """Return ``function`` without the outermost allocation of ``buffer``, which nothing uses there any more."""
    for place in places(function.body):
        if isinstance(place.node, Allocate) and place.node.buffer == buffer:
            return with_body(function, put(place, place.node.body))
    return function
