"""``transform_layout``: a buffer in another arrangement; see :mod:`tondo_schedule.layout.transform`.

Before::

    for i in range(4):
        for j in range(8):
            T[i, j] = A[i, j] * 2

After ``transform_layout("T", IndexMap.permutation((1, 0)))``::

    for T_l0 in range(8):
        for T_l1 in range(4):
            T[T_l0, T_l1] = A[T_l1, T_l0] * 2
"""

from __future__ import annotations

from tondo.ir import Allocate, TensorFunction, walk
from tondo_schedule.layout.index_map import IndexMap
from tondo_schedule.layout.transform import transform_layout
from tondo_schedule.refusal import refuse


def apply(function: TensorFunction, buffer: str, index_map: IndexMap) -> tuple[TensorFunction, None]:
    """Return the function with the buffer of that name arranged by ``index_map``.

    Raises:
        TondoError: TND-B003 if there is no such buffer or a writer cannot be iterated in the new order.
    """
    local = [item.buffer for item in walk(function.body) if isinstance(item, Allocate)]
    found = [item for item in (*function.buffers, *local) if item.name == buffer]
    if not found:
        refuse("transform_layout", f"buffer '{buffer}'", "there is no such buffer")
    return transform_layout(function, found[0], index_map), None
