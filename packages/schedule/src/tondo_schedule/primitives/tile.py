"""``tile``: neighbouring loops are split each, and the tiles come outside of what is in a tile.

Before::

    for i in range(8):
        for j in range(12):
            B[i, j] = A[i, j] * 2

After ``tile((i, j), (4, 6))``::

    for i_0 in range(2):
        for j_0 in range(2):
            for i_1 in range(4):
                for j_1 in range(6):
                    B[i_0 * 4 + i_1, j_0 * 6 + j_1] = A[i_0 * 4 + i_1, j_0 * 6 + j_1] * 2

Refused where ``split`` or ``reorder`` is, see :mod:`tondo_schedule.primitives.split`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import TensorFunction, Var
from tondo_schedule.primitives.reorder import apply as reorder
from tondo_schedule.primitives.split import Tail
from tondo_schedule.primitives.split import apply as split
from tondo_schedule.refusal import refuse


def apply(
    function: TensorFunction, loops: Sequence[Var], sizes: Sequence[int], tail: Tail = "predicate"
) -> tuple[TensorFunction, tuple[tuple[Var, ...], tuple[Var, ...]]]:
    """Return the function, the loops over tiles, and the loops inside a tile.

    Raises:
        TondoError: TND-B003 if the loops are not one nest or a size is not positive.
    """
    if len(loops) != len(sizes):
        refuse("tile", f"{len(loops)} loops", f"{len(sizes)} sizes are given")
    outer: list[Var] = []
    inner: list[Var] = []
    for loop, size in zip(loops, sizes, strict=True):
        function, (tiles, inside) = split(function, loop, size, tail)
        outer.append(tiles)
        inner.append(inside)
    function, _ = reorder(function, (*outer, *inner))
    return function, (tuple(outer), tuple(inner))
