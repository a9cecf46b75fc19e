"""Vectorise a loop of any extent."""

from __future__ import annotations

from tondo.diagnostics import TondoError
from tondo.ir import Const, Var
from tondo_schedule import Schedule

_LEAST = 4
"""Loops shorter than this are not worth a vector of their own."""


def vectorize_inner(schedule: Schedule, loop: Var, lanes: int, *, unroll: bool = False) -> tuple[Var | None, Var]:
    """Split ``loop`` by ``lanes`` and vectorise the inner part; return the outer and the inner loop.

    A rest becomes a shifted last vector where that is legal, else lanes without effect. A loop shorter than a vector
    takes the largest power of two that fits. ``unroll`` writes the outer part out.
    """
    extent = schedule.extent(loop)
    size = int(extent.value) if isinstance(extent, Const) else None
    if size is not None and size < _LEAST:
        schedule.unroll(loop)
        return None, loop
    if size is not None and size < lanes:
        lanes = 1 << (size.bit_length() - 1)
    if size == lanes:
        schedule.vectorize(loop)
        return None, loop
    outer, inner = split_tail(schedule, loop, lanes)
    schedule.vectorize(inner)
    if unroll and isinstance(schedule.extent(outer), Const):
        schedule.unroll(outer)
    return outer, inner


def whole_vectors(schedule: Schedule, loop: Var, lanes: int) -> None:
    """Write out ``loop``, of constant extent, in vectors that fit: 27 elements as 16 + 8 + 2 + 1.

    For what is in registers already: neither a mask nor an overlap takes vectors apart.
    """
    size = _constant(schedule, loop)
    while True:
        width = min(lanes, 1 << (size.bit_length() - 1))
        rest = size % width
        following = schedule.partition(loop, size - rest)[0] if rest else None
        if size - rest == width:
            mark = schedule.vectorize if width > 1 else schedule.unroll
            mark(loop)
        else:
            outer, inner = schedule.split(loop, width)
            schedule.unroll(outer)
            schedule.vectorize(inner)
        if following is None:
            return
        loop, size = following, rest


def _constant(schedule: Schedule, loop: Var) -> int:
    extent = schedule.extent(loop)
    assert isinstance(extent, Const)
    return int(extent.value)


def split_tail(schedule: Schedule, loop: Var, factor: int) -> tuple[Var, Var]:
    """Split with a shifted tail where that is legal, else with a predicate."""
    if schedule.analyzer_at(loop).prove(schedule.extent(loop) >= factor):
        try:
            return schedule.split(loop, factor, "shift")
        except TondoError:
            return schedule.split(loop, factor)
    return schedule.split(loop, factor)
