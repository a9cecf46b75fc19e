"""``parallel``: the iterations of a loop may run on several threads.

Before::

    for i in range(64):
        B[i] = A[i] * 2

After ``parallel(i, grain=8)``::

    for i in parallel(64, grain=8):
        B[i] = A[i] * 2

``grain`` is the number of iterations that one thread takes at a time. Refused if a block inside reduces over the loop,
or writes the same element in several iterations, unless the buffer belongs to the iteration (scope ``local``) or
overlapping tiles write equal values that nobody reads back.
"""

from __future__ import annotations

from tondo.ir import LOCAL, Allocate, Attrs, For, Load, TensorFunction, Var, walk
from tondo_schedule.primitives.loop_kind import with_kind
from tondo_schedule.primitives.split import OVERLAP
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import blocks_of, loop_at, loop_place, stores_of, uses


def apply(function: TensorFunction, loop: Var, grain: int = 1) -> tuple[TensorFunction, None]:
    """Return the function with ``loop`` parallel.

    Raises:
        TondoError: TND-B003 if the iterations are not independent.
    """
    node = loop_at(loop_place(function, loop, "parallel"))
    if grain < 1:
        refuse("parallel", f"loop '{loop.name}'", f"the grain is {grain}")
    _check(node)
    return with_kind(function, loop, "parallel", Attrs(grain=grain)), None


def _check(node: For) -> None:
    subject = f"loop '{node.var.name}'"
    private = {item.buffer for item in walk(node.body) if isinstance(item, Allocate)}
    for block in blocks_of(node.body):
        shared = [s for s in stores_of(block.body) if s.buffer not in private and s.buffer.scope != LOCAL]
        if not shared:
            continue
        using = [it for it in block.iters if uses(it.binding, node.var)]
        for it in using:
            if it.kind == "reduction":
                refuse("parallel", subject, f"block '{block.name}' reduces over it into '{shared[0].buffer.name}'")
        if not using:
            refuse(
                "parallel",
                subject,
                f"every iteration of it writes the same elements of '{shared[0].buffer.name}' (block '{block.name}')",
            )
        own = {item.buffer for item in walk(block.body) if isinstance(item, Load)}
        if node.attrs.get(OVERLAP) and any(store.buffer in own for store in shared):
            refuse(
                "parallel",
                subject,
                f"its tiles overlap and block '{block.name}' updates '{shared[0].buffer.name}', which is "
                "not local to an iteration",
            )
