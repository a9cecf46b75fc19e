"""``reverse_compute_inline``: an elementwise consumer becomes part of its producer.

Before::

    for i in range(8):
        T[i] = A[7 - i] * 2
    for j in range(8):
        B[j] = T[j] + 1

After ``reverse_compute_inline("B")``::

    for i in range(8):
        B[i] = A[7 - i] * 2 + 1

Refused if the block is a reduction or does not read exactly one intermediate value, element by element and over all of
it, or if the producer of that value is a reduction or has another user.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Block, Expr, Load, Node, Store, TensorFunction, Var, rewrite, substitute
from tondo_schedule.move import without_nest
from tondo_schedule.primitives.compute_inline import without_allocation
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    block_at,
    block_place,
    blocks_of,
    loads_of,
    put,
    single_store,
    stores_of,
    with_body,
    with_regions,
)


def apply(function: TensorFunction, block: str) -> tuple[TensorFunction, None]:
    """Return the function without ``block``, its value computed by its producer.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = block_place(function, block, "reverse_compute_inline")
    consumer = block_at(place)
    store = single_store(consumer, "reverse_compute_inline")
    producer, load = _producer(function, consumer)
    made = single_store(producer, "reverse_compute_inline")
    subject = f"block '{block}'"
    if producer.init is not None or any(it.kind == "reduction" for it in producer.iters):
        refuse("reverse_compute_inline", subject, f"its producer '{producer.name}' is a reduction")
    if consumer.init is not None or any(it.kind == "reduction" for it in consumer.iters):
        refuse("reverse_compute_inline", subject, "it is a reduction")
    variables = [index for index in load.indices if isinstance(index, Var)]
    if len(variables) != len(load.indices) or set(variables) != {it.var for it in consumer.iters}:
        refuse("reverse_compute_inline", subject, f"it does not read '{load.buffer.name}' element by element")
    values: dict[Var, Expr] = dict(zip(variables, made.indices, strict=True))

    def change(item: Node) -> Node:
        return made.value if item == Load(made.buffer, made.indices) else item

    value = rewrite(substitute(store.value, values), change)
    assert isinstance(value, Expr)
    body = Store(store.buffer, tuple(substitute(index, values) for index in store.indices), value)
    rest = without_nest(function, place)
    target = block_place(rest, producer.name)
    changed = with_body(rest, put(target, replace(with_regions(producer, body), predicate=block_at(target).predicate)))
    return without_allocation(changed, made.buffer), None


def _producer(function: TensorFunction, consumer: Block) -> tuple[Block, Load]:
    subject = f"block '{consumer.name}'"
    blocks = blocks_of(function.body)
    found = [
        (other, load)
        for other in blocks
        if other.name != consumer.name
        for store in stores_of(other.body)
        for load in loads_of(consumer.body, store.buffer)
    ]
    if len(found) != 1:
        refuse("reverse_compute_inline", subject, f"it reads {len(found)} intermediate values, not one")
    producer, load = found[0]
    if any(item.name not in {producer.name, consumer.name} and loads_of(item.body, load.buffer) for item in blocks):
        refuse("reverse_compute_inline", subject, f"'{load.buffer.name}' has another user")
    if load.buffer in function.output_buffers:
        refuse("reverse_compute_inline", subject, f"'{load.buffer.name}' is a result of the function")
    return producer, load
