"""``specialize``: neighbouring nests exist twice, once where a condition on the dimensions holds.

Before::

    for i in range(n):
        B[i] = A[i] * 2

After ``specialize(("B",), "i", 8)``::

    if n >= 8:
        for i in range(n):
            B[i] = A[i] * 2
    else:
        for i_1 in range(n):
            B[i_1] = A[i_1] * 2

Each version may then be scheduled under its own assumption. Intermediate buffers that only these blocks use exist
once per version. Refused if the blocks are not neighbours.
"""

from __future__ import annotations

from tondo.ir import Expr, If, TensorFunction
from tondo_schedule.twice import twice


def apply(function: TensorFunction, blocks: tuple[str, ...], condition: Expr) -> tuple[TensorFunction, tuple[str, ...]]:
    """Return the function and the names of the blocks in the version for which the condition does not hold.

    Raises:
        TondoError: TND-B003 if the blocks are not neighbours.
    """
    made, names = twice(function, blocks, "specialize", lambda one, other, _: If(condition, one, other))
    return made, names
