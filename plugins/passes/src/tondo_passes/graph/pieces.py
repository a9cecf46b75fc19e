"""Calls that concatenate: which of its arguments each part of a result is.

A call concatenates when its function has one stage whose value is a chain of choices by the position along one axis,
among loads at the same point moved along that axis: ``select(i < 3, a[i], select(i < 7, b[i - 3], c[i - 7]))``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tondo.arith import Analyzer
from tondo.ir import Atom, Compare, Const, Expr, Load, Select, TensorFunction, Var, add
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.ir import CallDps


@dataclass(frozen=True, slots=True)
class Pieces:
    """``atoms`` one after the other along ``axis``."""

    atoms: tuple[Atom, ...]
    axis: int


def pieces_of(call: CallDps, function: TensorFunction) -> Pieces | None:
    """Return what ``call`` of ``function`` concatenates; None if it does anything else."""
    stages = stages_of(function)
    if stages is None or len(stages) != 1 or function.outputs != 1 or stages[0].kind != "injective":
        return None
    store = stages[0].store
    point = tuple(index for index in store.indices if isinstance(index, Var))
    chain = _chain(store.value)
    if len(chain) < 2 or len(point) != store.buffer.rank or any(load.predicate is not None for _, load in chain):
        return None
    along = {condition.a for condition, _ in chain[:-1] if condition is not None}
    (index,) = along if len(along) == 1 else (None,)
    if index not in point:
        return None
    axis = point.index(index)
    if not _follow(chain, point, axis, store.buffer.shape[axis]):
        return None
    atoms = dict(zip(function.input_buffers, call.args, strict=True))
    if len({load.buffer for _, load in chain}) != len(chain):
        return None
    return Pieces(tuple(atoms[load.buffer] for _, load in chain), axis)


def _chain(value: Expr) -> list[tuple[Compare | None, Load]]:
    """Return the conditions and loads of a chain of choices, the last one without a condition; empty if it is none."""
    found: list[tuple[Compare | None, Load]] = []
    while isinstance(value, Select):
        condition, taken = value.condition, value.a
        if not isinstance(condition, Compare) or condition.op != "lt" or not isinstance(taken, Load):
            return []
        found.append((condition, taken))
        value = value.b
    return [*found, (None, value)] if isinstance(value, Load) else []


def _follow(chain: Sequence[tuple[Compare | None, Load]], point: Sequence[Var], axis: int, extent: Expr) -> bool:
    """Whether the loads of ``chain`` are whole tensors that fill ``extent`` of ``axis`` in order."""
    known = Analyzer()
    begin: Expr = Const(0)
    for condition, load in chain:
        if len(load.indices) != len(point):
            return False
        for i, (index, var) in enumerate(zip(load.indices, point, strict=True)):
            if known.simplify(index) != known.simplify(var - begin if i == axis else var):
                return False
        begin = add(begin, load.buffer.shape[axis])
        end = extent if condition is None else condition.b
        if known.simplify(begin) != known.simplify(end):
            return False
    return True
