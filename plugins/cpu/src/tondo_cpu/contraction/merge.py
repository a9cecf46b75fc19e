"""Merge row axes that are neighbours in memory everywhere: the pixels of a 1x1 convolution are one axis of rows."""

from __future__ import annotations

from tondo.diagnostics import TondoError
from tondo.ir import IterVar, Load, Store, Var
from tondo_schedule import Schedule
from tondo_schedule.tree import loads_of, single_store


def merge_rows(schedule: Schedule, anchor: str, epilogue: str, rows: tuple[IterVar, ...]) -> None:
    """Merge as many of ``rows`` (innermost first) as the layouts of all operands allow."""
    if not rows:
        return
    inner = rows[0].var
    for outer in rows[1:]:
        other = _matching(schedule, anchor, epilogue, outer.var, inner)
        if other is None:
            return
        try:
            inner, _ = schedule.merge_axes((anchor, outer.var, inner), (epilogue, *other))
        except TondoError:
            return


def _matching(schedule: Schedule, anchor: str, epilogue: str, outer: Var, inner: Var) -> tuple[Var, Var] | None:
    """Return the variables of the epilogue for the same two axes."""
    store: Store = single_store(schedule.block(anchor), "contraction")
    loads: tuple[Load, ...] = loads_of(schedule.block(epilogue).body, store.buffer)
    names = dict(zip(store.indices, loads[0].indices, strict=True))
    first, second = names.get(outer), names.get(inner)
    return (first, second) if isinstance(first, Var) and isinstance(second, Var) else None
