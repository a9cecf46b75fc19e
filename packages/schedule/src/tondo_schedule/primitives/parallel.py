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

from tondo.ir import Attrs, TensorFunction, Var
from tondo_schedule.primitives.loop_kind import check_independent, with_kind
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import loop_at, loop_place


def apply(function: TensorFunction, loop: Var, grain: int = 1) -> tuple[TensorFunction, None]:
    """Return the function with ``loop`` parallel.

    Raises:
        TondoError: TND-B003 if the iterations are not independent.
    """
    node = loop_at(loop_place(function, loop, "parallel"))
    if grain < 1:
        refuse("parallel", f"loop '{loop.name}'", f"the grain is {grain}")
    check_independent(node, "parallel")
    return with_kind(function, loop, "parallel", Attrs(grain=grain)), None
