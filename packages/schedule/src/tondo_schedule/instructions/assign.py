"""Which axes of a block can play the parts of an instruction's loops, and what each assignment costs.

A loop of the instruction occurs in some of its operands; an axis of the block can take its part if it occurs in exactly
the buffers that stand for these operands. For contractions this is the assignment by role: rows occur in the result
and the left operand, columns in the result and the right one, batch axes in all three, reductions in both operands. The
cost counts executions of the instruction, padding included, and the elements of operands that have to be copied first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from tondo.arith import Analyzer
from tondo.ir import Block, Const, Expr, IterVar, Load, Store, Var, walk
from tondo.script import script
from tondo.target import Intrinsic, Operand
from tondo_schedule.instructions.computation import Computation, semantics_of
from tondo_schedule.instructions.match import Window, aligned, reason_against, window_or_reason
from tondo_schedule.instructions.pairs import Pairs

_UNKNOWN = 64
"""What a dimension that is not constant counts as."""
_COPY_CYCLES = 0.5
"""Cycles per element of an operand that is copied before it is used."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The axes of a block for the loops of an instruction.

    Attributes:
        intrinsic: the instruction.
        axes: per loop of the instruction, outermost first, the axis and the extent that the instruction has there.
        operands: the buffer that stands for each operand, by the operand's name.
        copied: names of operands that need a copy with a dimension per axis.
        cost: cycles.
    """

    intrinsic: Intrinsic
    axes: tuple[tuple[Var, int], ...]
    operands: Mapping[str, str]
    copied: tuple[str, ...]
    cost: float

    def __str__(self) -> str:
        """Return ``name(axis:extent, ...)``."""
        return f"{self.intrinsic.name}({', '.join(f'{var.name}:{extent}' for var, extent in self.axes)})"


def assignments(intrinsic: Intrinsic, block: Block, known: Analyzer) -> tuple[Assignment, ...] | str:
    """Return the assignments of axes of ``block`` to the loops of ``intrinsic``, or why there is none."""
    wanted = semantics_of(intrinsic.semantics)
    if isinstance(wanted, str):
        return f"its semantics cannot be matched: {wanted}"
    if not isinstance(block.body, Store):
        return f"block '{block.name}' is not a single store"
    reason = f"the block computes {script(block.body.value)}, it {script(wanted.store.value)}"
    found: dict[tuple[Var, ...], Assignment] = {}
    for pairs in aligned(wanted.store, block.body):
        options = [_players(loop, pairs, block) for loop in wanted.loops]
        missing = next((loop for loop, players in zip(wanted.loops, options, strict=True) if not players), None)
        if missing is not None:
            where = sorted({load.buffer.name for load, _ in pairs if _occurs(load, missing)})
            reason = (
                f"no axis of the block is where its loop '{missing.name}' is: in {', '.join(where)} and nowhere else"
            )
            continue
        for chosen in product(*options):
            if len({it.var for it in chosen}) == len(chosen):
                made = _assignment(intrinsic, wanted, pairs, block, chosen, known)
                if isinstance(made, str):
                    reason = made
                else:
                    found.setdefault(tuple(it.var for it in chosen), made)
    return tuple(sorted(found.values(), key=lambda item: item.cost)) or reason


def _players(loop: Var, pairs: Pairs, block: Block) -> tuple[IterVar, ...]:
    part = tuple(_occurs(wanted, loop) for wanted, _ in pairs)
    return tuple(it for it in block.iters if tuple(_occurs(given, it.var) for _, given in pairs) == part)


def _occurs(load: Load, var: Var) -> bool:
    return any(item == var for index in load.indices for item in walk(index))


def _assignment(
    intrinsic: Intrinsic,
    wanted: Computation,
    pairs: Pairs,
    block: Block,
    chosen: tuple[IterVar, ...],
    known: Analyzer,
) -> Assignment | str:
    order = {loop: it.var for loop, it in zip(wanted.loops, chosen, strict=True)}
    operands = dict(zip(intrinsic.semantics.buffers, intrinsic.operands, strict=True))
    axes = tuple((it.var, extent) for it, extent in zip(chosen, wanted.loops.values(), strict=True))
    padded = {
        it.var for it, extent in zip(chosen, wanted.loops.values(), strict=True) if not known.divides(extent, it.extent)
    }
    reduced = {it.var for it in block.iters if it.kind == "reduction"}
    buffers: dict[str, str] = {}
    copied: list[str] = []
    cost = intrinsic.cost * _executions(block, dict(axes), known)
    for want, given in pairs:
        operand = operands[want.buffer]
        if given.buffer.dtype != operand.dtype:
            return f"'{given.buffer.name}' is {given.buffer.dtype}, its operand '{operand.name}' {operand.dtype}"
        if buffers.setdefault(operand.name, given.buffer.name) != given.buffer.name:
            return f"its operand '{operand.name}' would be two buffers"
        window = window_or_reason(want, given, order)
        if given.buffer == pairs[0][1].buffer:
            if isinstance(window, str):
                return window
            if _rearranged(operand, window):
                cost += _COPY_CYCLES * prod(_size(it.extent, known) for it in block.iters if _occurs(given, it.var))
            continue
        plain = all(index == var for var in padded & reduced for index in given.indices if _in(index, var))
        if (isinstance(window, str) or not plain or _rearranged(operand, window)) and not _plain(given):
            copied.append(operand.name)
        if isinstance(window, str) or _rearranged(operand, window) or any(_occurs(given, var) for var in padded):
            cost += _COPY_CYCLES * prod(_size(it.extent, known) for it in block.iters if _occurs(given, it.var))
    return Assignment(intrinsic, axes, buffers, tuple(dict.fromkeys(copied)), cost)


def _rearranged(operand: Operand, window: Window | str) -> bool:
    return isinstance(window, str) or reason_against(operand, window) is not None


def _in(index: Expr, var: Var) -> bool:
    return any(item == var for item in walk(index))


def _plain(load: Load) -> bool:
    return all(isinstance(index, (Var, Const)) for index in load.indices)


def _executions(block: Block, tiles: Mapping[Var, int], known: Analyzer) -> int:
    return prod(-(-_size(it.extent, known) // tiles.get(it.var, 1)) for it in block.iters)


def _size(extent: Expr, known: Analyzer) -> int:
    value = known.simplify(extent)
    return int(value.value) if isinstance(value, Const) else _UNKNOWN


def operand_loads(
    intrinsic: Intrinsic, block: Block, axes: tuple[tuple[Var, int], ...]
) -> Iterator[tuple[Operand, Window | str, Load]]:
    """Yield each operand with its window in the current form of ``block`` (or why it has none) and the access.

    The result comes first.
    """
    wanted = semantics_of(intrinsic.semantics)
    assert isinstance(wanted, Computation)
    assert isinstance(block.body, Store)
    order = {loop: var for loop, (var, _) in zip(wanted.loops, axes, strict=True)}
    operands = dict(zip(intrinsic.semantics.buffers, intrinsic.operands, strict=True))
    best: list[tuple[Operand, Window | str, Load]] = []
    for pairs in aligned(wanted.store, block.body):
        found = {
            operands[want.buffer].name: (operands[want.buffer], window_or_reason(want, given, order), given)
            for want, given in pairs
        }
        best = list(found.values())
        if not any(isinstance(window, str) for _, window, _ in best):
            break
    yield from best


def operand_axes(intrinsic: Intrinsic, operand: Operand, axes: tuple[tuple[Var, int], ...]) -> tuple[Var, ...]:
    """Return the axes of the block along the dimensions of an operand, in its order."""
    wanted = semantics_of(intrinsic.semantics)
    assert isinstance(wanted, Computation)
    names = dict(zip(wanted.loops, (axis for axis, _ in axes), strict=True))
    own = dict(zip((item.name for item in intrinsic.operands), intrinsic.semantics.buffers, strict=True))[operand.name]
    accesses = (item for item in walk(wanted.store) if isinstance(item, (Load, Store)) and item.buffer == own)
    indices = next(accesses).indices
    used = [item for index in indices for item in walk(index) if isinstance(item, Var)]
    return tuple(dict.fromkeys(names[item] for item in used if item in names))
