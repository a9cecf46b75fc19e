"""``unroll``: the iterations of a loop are written out one after the other.

Before::

    for i in range(4):
        B[i] = A[i] * 2

After ``unroll(i)``::

    for i in unrolled(4):
        B[i] = A[i] * 2

Refused for a loop whose extent is not constant.
"""

from __future__ import annotations

from tondo.ir import Const, TensorFunction, Var
from tondo_schedule.primitives.loop_kind import with_kind
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import analyzer_for, loop_at, loop_place


def apply(function: TensorFunction, loop: Var) -> tuple[TensorFunction, None]:
    """Return the function with ``loop`` unrolled.

    Raises:
        TondoError: TND-B003 if the extent is not constant.
    """
    place = loop_place(function, loop, "unroll")
    extent = analyzer_for(function, place).simplify(loop_at(place).extent)
    if not isinstance(extent, Const):
        refuse("unroll", f"loop '{loop.name}'", "its extent is not constant", help="split it first")
    return with_kind(function, loop, "unrolled"), None
