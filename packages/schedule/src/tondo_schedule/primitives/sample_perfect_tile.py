"""``sample_perfect_tile``: decide how to split a loop into parts that divide it without a rest.

Before::

    for i in range(12):
        B[i] = A[i] * 2

After ``sample_perfect_tile(i, 2)``, which decides for (4, 3), say, the function is as it was::

    for i in range(12):
        B[i] = A[i] * 2

The trace records the decision. Refused for a loop whose extent is not constant, and for a recorded decision that does
not multiply to the extent.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from tondo.ir import Const, TensorFunction, Var
from tondo_schedule.choices import Chooser
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import analyzer_for, loop_at, loop_place


def apply(
    function: TensorFunction,
    loop: Var,
    parts: int,
    innermost: int,
    chooser: Chooser,
    decision: tuple[int, ...] | None = None,
) -> tuple[TensorFunction, tuple[int, ...]]:
    """Return the function and the extents of the parts, outermost first.

    Args:
        function: the scheduled function.
        loop: the loop to split; ``Schedule.split`` by the result is up to the caller.
        parts: how many parts.
        innermost: the largest extent of the last part; 0 for any.
        chooser: who decides.
        decision: a decision that was recorded.

    Raises:
        TondoError: TND-B003 if there is no such split.
    """
    place = loop_place(function, loop, "sample_perfect_tile")
    subject = f"loop '{loop.name}'"
    extent = analyzer_for(function, place).simplify(loop_at(place).extent)
    if not isinstance(extent, Const):
        refuse("sample_perfect_tile", subject, "its extent is not constant")
    if parts < 1:
        refuse("sample_perfect_tile", subject, f"{parts} parts are asked for")
    size = int(extent.value)
    if decision is not None:
        if len(decision) != parts or prod(decision) != size or (innermost and decision[-1] > innermost):
            refuse("sample_perfect_tile", subject, f"{decision} is not a split of {size} into {parts} parts")
        return function, decision
    options = [item for item in _splits(size, parts) if not innermost or item[-1] <= innermost]
    if not options:
        refuse("sample_perfect_tile", subject, f"no split of {size} has a last part of at most {innermost}")
    return function, chooser.choose(f"tile.{loop.name}", options, prior=min(options, key=_unevenness))


def _splits(size: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (size,)
        return
    for first in (part for part in range(1, size + 1) if size % part == 0):
        for rest in _splits(size // first, parts - 1):
            yield (first, *rest)


def _unevenness(split: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
    return max(split) / min(split), split
