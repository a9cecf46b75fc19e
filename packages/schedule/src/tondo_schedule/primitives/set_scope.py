"""``set_scope``: an intermediate buffer lives in another kind of memory.

Before::

    for i in range(8):
        T[i] = A[i] * 2
    for j in range(8):
        B[j] = T[j] + 1

After ``set_scope("T", "local")``::

    T: local[8]
    for i in range(8):
        T[i] = A[i] * 2
    for j in range(8):
        B[j] = T[j] + 1

Refused for a parameter of the function.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Allocate, TensorFunction, substitute, walk
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import with_body


def apply(function: TensorFunction, buffer: str, scope: str) -> tuple[TensorFunction, None]:
    """Return the function with ``buffer`` in ``scope``.

    Raises:
        TondoError: TND-B003 if the function does not allocate ``buffer``.
    """
    found = [item.buffer for item in walk(function.body) if isinstance(item, Allocate) and item.buffer.name == buffer]
    if not found:
        refuse("set_scope", f"buffer '{buffer}'", "the function does not allocate it")
    return with_body(function, substitute(function.body, None, {found[0]: replace(found[0], scope=scope)})), None
