"""``bind``: the iterations of a loop run at one place each of a thread axis of a device.

Before::

    for i in range(64):
        B[i] = A[i] * 2

After ``bind(i, "core.x")``::

    for i in bind.core.x(64):
        B[i] = A[i] * 2

The target names its axes. Iterations have to be independent, as for ``parallel``. Refused if they are not, if the name
is not a word (dots may join several), and if a loop around or inside is bound to the same axis.
"""

from __future__ import annotations

import re

from tondo.ir import For, TensorFunction, Var, walk
from tondo_schedule.primitives.loop_kind import check_independent, with_kind
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import loop_at, loop_place

_AXIS = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


def apply(function: TensorFunction, loop: Var, axis: str) -> tuple[TensorFunction, None]:
    """Return the function with ``loop`` bound to the thread axis ``axis``.

    Raises:
        TondoError: TND-B003 if the iterations are not independent or the axis is taken.
    """
    place = loop_place(function, loop, "bind")
    node = loop_at(place)
    subject = f"loop '{loop.name}'"
    if _AXIS.fullmatch(axis) is None:
        refuse("bind", subject, f"'{axis}' is not the name of an axis")
    kind = f"bind:{axis}"
    inside = [item for item in walk(node.body) if isinstance(item, For)]
    taken = [item for item in (*place.loops, *inside) if item.kind == kind]
    if taken:
        refuse("bind", subject, f"loop '{taken[0].var.name}' of the same nest is bound to '{axis}'")
    check_independent(node, "bind")
    return with_kind(function, loop, kind), None
