"""Make the accesses of a nest linear: axes that indices take apart by division are split where they are taken apart."""

from __future__ import annotations

from tondo.arith import affine
from tondo.diagnostics import TondoError
from tondo.ir import Binary, Const, Expr, Load, Var, walk
from tondo_schedule import Schedule

_MOST = 6
"""Splits per nest; more would only mean that something else is the matter."""


def by_stride(index: Expr) -> list[Var]:
    """Return the variables of an index, the one with the largest step first (``g * 4 + c``: g, c)."""
    form = affine(index)
    if form is None:
        return []
    terms = sorted(form.terms, key=lambda term: -abs(term[1]))
    return [atom for atom, _ in terms if isinstance(atom, Var)]


def split_divided_axes(schedule: Schedule, block: str) -> None:
    """Split every axis ``v`` of ``block`` that loads index as ``v // c`` or ``v % c``, for a divisor of its extent."""
    for _ in range(_MOST):
        found = _divided(schedule, block)
        if found is None:
            return
        try:
            schedule.split_axis(block, *found)
        except TondoError:
            return


def _divided(schedule: Schedule, block: str) -> tuple[Var, int] | None:
    node = schedule.block(block)
    extents = {it.var: schedule.analyzer().simplify(it.extent) for it in node.iters}
    best: tuple[Var, int] | None = None
    for load in walk(node.body):
        if not isinstance(load, Load):
            continue
        for item in (part for index in load.indices for part in walk(index)):
            if not (isinstance(item, Binary) and item.op in {"floordiv", "floormod"} and isinstance(item.b, Const)):
                continue
            var, factor = item.a, int(item.b.value)
            extent = extents.get(var) if isinstance(var, Var) else None
            if (
                isinstance(var, Var)
                and isinstance(extent, Const)
                and 1 < factor < extent.value
                and extent.value % factor == 0
            ):
                best = (var, factor) if best is None or factor < best[1] else best
    return best
