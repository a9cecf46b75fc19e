"""``annotate``: attach an attribute to a loop or a block.

Before::

    for i in range(8):
        B[i] = A[i]

After ``annotate(i, "unroll_hint", 2)``::

    for i in range(8, unroll_hint=2):
        B[i] = A[i]
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import TensorFunction, Var
from tondo_schedule.tree import block_at, block_place, loop_at, loop_place, put, with_body


def apply(
    function: TensorFunction, place: Var | str, name: str, value: int | float | str | bool
) -> tuple[TensorFunction, None]:
    """Return the function with the attribute ``name`` on a loop (by its variable) or a block (by its name).

    Raises:
        TondoError: TND-B003 if there is no such loop or block.
    """
    if isinstance(place, Var):
        at = loop_place(function, place, "annotate")
        loop = loop_at(at)
        return with_body(function, put(at, replace(loop, attrs=loop.attrs.with_(**{name: value})))), None
    found = block_place(function, place, "annotate")
    block = block_at(found)
    return with_body(function, put(found, replace(block, attrs=block.attrs.with_(**{name: value})))), None
