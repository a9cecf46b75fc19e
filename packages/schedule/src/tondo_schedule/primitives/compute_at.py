"""``compute_at``: a producer is computed inside a loop of its consumers, just the part that they read there.

Before::

    for i in range(8):
        T[i] = A[i] * 2
    for j in range(4):
        for l in range(2):
            B[j * 2 + l] = T[j * 2 + l] + 1

After ``compute_at("T", j)``::

    for j in range(4):
        for vi_i in range(2):
            T[j * 2 + vi_i] = A[j * 2 + vi_i] * 2
        for l in range(2):
            B[j * 2 + l] = T[j * 2 + l] + 1

Refused if the loop does not contain every reader of what the block writes, if the block stores at indices that are not
its plain iteration variables, if it reads something that is not complete at the loop, or if it would leave a condition.
"""

from __future__ import annotations

from tondo.ir import Block, Buffer, For, TensorFunction, Var
from tondo_schedule.move import check_conditions, into_loop, nest_over, without_nest
from tondo_schedule.refusal import refuse
from tondo_schedule.region import Span, reads_below
from tondo_schedule.tree import (
    block_at,
    block_place,
    blocks_of,
    loads_of,
    loop_at,
    loop_place,
    single_store,
    stores_of,
    touches,
)


def apply(function: TensorFunction, block: str, loop: Var) -> tuple[TensorFunction, None]:
    """Return the function with ``block`` computed at ``loop``.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    producer_place = block_place(function, block, "compute_at")
    producer = block_at(producer_place)
    store = single_store(producer, "compute_at")
    subject = f"block '{block}'"
    target = loop_place(function, loop, "compute_at")
    check_conditions(producer_place, target, "compute_at")
    node = loop_at(target)
    if any(item.name == block for item in blocks_of(node)):
        refuse("compute_at", subject, f"it is already inside loop '{loop.name}'")
    if store.buffer in function.output_buffers:
        refuse("compute_at", subject, f"'{store.buffer.name}' is a result of the function")
    _check_readers(function, producer, store.buffer, node, loop)
    rest = without_nest(function, producer_place)
    place = loop_place(rest, loop)
    spans = reads_below(rest, place, store.buffer)
    if spans is None:
        refuse("compute_at", subject, f"nothing inside loop '{loop.name}' reads '{store.buffer.name}'")
    pairs = zip(store.indices, spans, strict=True)
    domain: dict[Var, Span] = {index: span for index, span in pairs if isinstance(index, Var)}
    stmt = nest_over(rest, producer, domain, place)
    return into_loop(rest, loop, stmt, first=True), None


def _check_readers(function: TensorFunction, producer: Block, buffer: Buffer, node: For, loop: Var) -> None:
    inside = {item.name for item in blocks_of(node)}
    subject = f"block '{producer.name}'"
    for other in blocks_of(function.body):
        if other.name == producer.name:
            continue
        if touches(other, buffer) and other.name not in inside:
            refuse("compute_at", subject, f"block '{other.name}' uses '{buffer.name}' outside loop '{loop.name}'")
        if other.name in inside and any(loads_of(producer.body, store.buffer) for store in stores_of(other.body)):
            refuse("compute_at", subject, f"it reads what block '{other.name}' inside loop '{loop.name}' writes")
