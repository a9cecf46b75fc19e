"""``sample_compute_location``: decide for a loop of the consumers inside which a producer is computed.

Before::

    for i in range(8):
        T[i] = A[i] * 2
    for j in range(4):
        for l in range(2):
            B[j * 2 + l] = T[j * 2 + l] + 1

After ``sample_compute_location("T")``, which decides for a loop or for none, the function is as it was::

    for i in range(8):
        T[i] = A[i] * 2
    for j in range(4):
        for l in range(2):
            B[j * 2 + l] = T[j * 2 + l] + 1

The candidates are the loops at which ``compute_at`` is legal; without a search the block stays where it is. The trace
records the decision. Refused for a recorded decision that is not legal.
"""

from __future__ import annotations

from tondo.diagnostics import TondoError
from tondo.ir import For, TensorFunction, Var
from tondo_schedule.choices import Chooser
from tondo_schedule.primitives.compute_at import apply as compute_at
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import block_place, places

STAY = ""
"""The decision to leave the block where it is."""


def apply(
    function: TensorFunction, block: str, chooser: Chooser, decision: str | None = None
) -> tuple[TensorFunction, Var | None]:
    """Return the function and the loop to compute ``block`` at, None to leave it where it is.

    Raises:
        TondoError: TND-B003 if there is no such block or the decision is not legal.
    """
    block_place(function, block, "sample_compute_location")
    loops = {place.node.var.name: place.node.var for place in places(function.body) if isinstance(place.node, For)}
    legal = {STAY: None} | {name: var for name, var in loops.items() if _legal(function, block, var)}
    if decision is None:
        decision = chooser.choose(f"location.{block}", list(legal), prior=STAY)
    if decision not in legal:
        refuse("sample_compute_location", f"block '{block}'", f"it cannot be computed at loop '{decision}'")
    return function, legal[decision]


def _legal(function: TensorFunction, block: str, loop: Var) -> bool:
    try:
        compute_at(function, block, loop)
    except TondoError:
        return False
    return True
