"""``sample_categorical``: decide for one of several values.

Before::

    for i in range(12):
        B[i] = A[i] * 2

After ``sample_categorical("lanes", (4, 8, 16), 8)``, which decides for 8 unless someone searches::

    for i in range(12):
        B[i] = A[i] * 2

The trace records the decision. Refused for a recorded decision that is not among the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import TensorFunction
from tondo_schedule.choices import C, Chooser
from tondo_schedule.refusal import refuse


def apply(
    function: TensorFunction,
    name: str,
    candidates: Sequence[C],
    prior: C,
    chooser: Chooser,
    decision: C | None = None,
) -> tuple[TensorFunction, C]:
    """Return the function and the decision for the hole ``name``.

    Raises:
        TondoError: TND-B003 if there is no candidate or the decision is none of them.
    """
    if not candidates:
        refuse("sample_categorical", f"hole '{name}'", "there is no candidate")
    if decision is not None:
        if not any(option == decision and type(option) is type(decision) for option in (*candidates, prior)):
            refuse("sample_categorical", f"hole '{name}'", f"{decision!r} is not among the candidates")
        return function, decision
    return function, chooser.choose(name, candidates, prior=prior)
