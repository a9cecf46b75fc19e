"""``reverse_compute_at``: a consumer is computed inside a loop of its producer, just the part that is complete there.

Before::

    for i in range(4):
        for l in range(2):
            T[i * 2 + l] = A[i * 2 + l] * 2
    for j in range(8):
        B[j] = T[j] + 1

After ``reverse_compute_at("B", i)``::

    for i in range(4):
        for l in range(2):
            T[i * 2 + l] = A[i * 2 + l] * 2
        for vj_i in range(2):
            B[i * 2 + vj_i] = T[i * 2 + vj_i] + 1

Refused if nothing inside the loop writes what the block reads or something outside writes it as well, if the block
reads it at indices other than its plain iteration variables, if a reduction of the producer begins outside the loop, if
the block reads something that is computed after the loop, if it would leave a condition, or if it reduces over tiles
that overlap.
"""

from __future__ import annotations

from tondo.ir import Block, Buffer, Const, For, TensorFunction, Var, walk
from tondo_schedule.move import check_conditions, into_loop, nest_over, without_nest
from tondo_schedule.primitives.split import OVERLAP
from tondo_schedule.refusal import refuse
from tondo_schedule.region import Span, writes_below
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
    uses,
)


def apply(function: TensorFunction, block: str, loop: Var) -> tuple[TensorFunction, None]:
    """Return the function with ``block`` computed at ``loop``.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    consumer_place = block_place(function, block, "reverse_compute_at")
    consumer = block_at(consumer_place)
    subject = f"block '{block}'"
    single_store(consumer, "reverse_compute_at")
    check_conditions(consumer_place, loop_place(function, loop, "reverse_compute_at"), "reverse_compute_at")
    node = loop_at(loop_place(function, loop, "reverse_compute_at"))
    inside = blocks_of(node)
    if any(item.name == block for item in inside):
        refuse("reverse_compute_at", subject, f"it is already inside loop '{loop.name}'")
    written = [
        store.buffer for item in inside for store in stores_of(item.body) if loads_of(consumer.body, store.buffer)
    ]
    if not written:
        refuse("reverse_compute_at", subject, f"nothing inside loop '{loop.name}' writes what it reads")
    for item in blocks_of(function.body):
        for store in stores_of(item.body):
            if store.buffer in written and not any(item is other for other in inside):
                refuse(
                    "reverse_compute_at",
                    subject,
                    f"block '{item.name}' outside loop '{loop.name}' writes '{store.buffer.name}', too",
                )
    _check_order(function, consumer, {item.name for item in inside}, loop)
    rest = without_nest(function, consumer_place)
    place = loop_place(rest, loop)
    domain: dict[Var, Span] = {}
    for buffer in dict.fromkeys(written):
        _check_complete(loop_at(place), buffer, subject)
        spans = writes_below(rest, place, buffer)
        assert spans is not None
        domain.update(_domain(consumer, buffer, spans, subject))
    around = {item.var for item in (*place.loops, loop_at(place)) if item.attrs.get(OVERLAP)}
    for it in consumer.iters:
        if it.kind == "reduction" and it.var in domain and any(uses(domain[it.var].low, var) for var in around):
            refuse("reverse_compute_at", subject, f"it reduces over '{it.var.name}', whose tiles overlap")
    stmt = nest_over(rest, consumer, domain, place)
    return into_loop(rest, loop, stmt, first=False), None


def _domain(consumer: Block, buffer: Buffer, spans: tuple[Span, ...], subject: str) -> dict[Var, Span]:
    domain: dict[Var, Span] = {}
    for load in loads_of(consumer.body, buffer):
        for index, span in zip(load.indices, spans, strict=True):
            if isinstance(index, Var) and domain.get(index, span) == span:
                domain[index] = span
            elif not (isinstance(index, Const) and span.low == index):
                refuse(
                    "reverse_compute_at",
                    subject,
                    f"it reads '{buffer.name}' at an index that is not one of its iteration variables",
                )
    return domain


def _check_complete(node: For, buffer: Buffer, subject: str) -> None:
    loops = {item.var for item in walk(node.body) if isinstance(item, For)}
    for item in blocks_of(node):
        if not any(store.buffer == buffer for store in stores_of(item.body)):
            continue
        for it in item.iters:
            if it.kind == "reduction" and any(isinstance(v, Var) and v not in loops for v in walk(it.binding)):
                refuse(
                    "reverse_compute_at",
                    subject,
                    f"block '{item.name}' has not finished '{buffer.name}' at loop '{node.var.name}'",
                )


def _check_order(function: TensorFunction, consumer: Block, inside: set[str], loop: Var) -> None:
    reached = False
    for item in blocks_of(function.body):
        reached = reached or item.name in inside
        if item.name == consumer.name:
            return
        if not reached or item.name in inside:
            continue
        for store in stores_of(item.body):
            if touches(consumer, store.buffer):
                refuse(
                    "reverse_compute_at",
                    f"block '{consumer.name}'",
                    f"it uses '{store.buffer.name}', which block '{item.name}' computes after loop '{loop.name}'",
                )
