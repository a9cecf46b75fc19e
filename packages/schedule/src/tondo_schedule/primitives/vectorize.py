"""``vectorize``: all iterations of a loop become lanes of one vector operation.

Before::

    for i in range(16):
        B[i] = A[i] * s[0]

After ``vectorize(i)``::

    for i in vectorized(16):
        B[i] = A[i] * s[0]

Refused for a loop whose extent is not constant, and for a block that reads what another iteration of it wrote.
"""

from __future__ import annotations

from tondo.ir import Const, TensorFunction, Var
from tondo_schedule.primitives.loop_kind import with_kind
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import analyzer_for, loop_at, loop_place


def apply(function: TensorFunction, loop: Var) -> tuple[TensorFunction, None]:
    """Return the function with ``loop`` vectorised.

    Raises:
        TondoError: TND-B003 if the extent is not constant.
    """
    place = loop_place(function, loop, "vectorize")
    extent = analyzer_for(function, place).simplify(loop_at(place).extent)
    if not isinstance(extent, Const):
        refuse(
            "vectorize",
            f"loop '{loop.name}'",
            "its extent is not constant",
            help="split it by the number of lanes first",
        )
    return with_kind(function, loop, "vectorized"), None
