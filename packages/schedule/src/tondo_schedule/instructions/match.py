"""Whether a computation is what an instruction computes, and which part of which buffer each operand then is.

Equal means: up to the names and the order of the loops, up to the order of sums and products, and up to where operands
begin and how far apart their elements lie. An operand ``b[k, n]`` of the instruction that matches ``B[j // 4, x + k,
y * 2 + n]`` is the window of ``B`` that begins at ``[j // 4, x, y * 2]`` and whose dimensions are those of ``k`` and
``n``: ``b[k, n]`` is ``B[j // 4 + 0*k + 0*n, x + 1*k + 0*n, y * 2 + 0*k + 1*n]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from tondo.arith import Affine, Analyzer
from tondo.ir import CONSTANT, GLOBAL, LOCAL, Buffer, Const, Expr, Load, Store, Var, add, is_const, mul, walk
from tondo.script import script
from tondo.target import Intrinsic, Operand
from tondo_schedule.instructions.computation import Computation, semantics_of
from tondo_schedule.instructions.pairs import Pairs, alignments

_ORDINARY = frozenset({GLOBAL, LOCAL, CONSTANT})
_ANYWHERE = frozenset({"register", GLOBAL})
"""Scopes of operands that are taken from any ordinary memory."""


@dataclass(frozen=True, slots=True)
class Window:
    """An operand as a part of a buffer: element ``x`` is ``buffer[base + columns @ x]``.

    Attributes:
        buffer: the buffer.
        base: where the window begins, per dimension of the buffer.
        columns: per dimension of the buffer, how far it moves for a step along each dimension of the operand.
    """

    buffer: Buffer
    base: tuple[Expr, ...]
    columns: tuple[tuple[int, ...], ...]

    def stride(self, dim: int) -> Expr:
        """Return the distance in elements between neighbours along dimension ``dim`` of the operand."""
        total: Expr = Const(0)
        for row, step in zip(self.columns, self.buffer.row_major_strides(), strict=True):
            total = add(total, mul(step, row[dim]))
        return Analyzer().simplify(total)


@dataclass(frozen=True, slots=True)
class Match:
    """How a computation is one execution of an instruction: windows by the names of its operands."""

    windows: Mapping[str, Window]
    order: Mapping[Var, Var]
    """The loop of the computation for each loop of the instruction."""


class _DiffersError(Exception):
    """Raised inside this file with the reason why two accesses differ."""


def match(intrinsic: Intrinsic, given: Computation) -> Match | str:
    """Return how ``given`` is one execution of ``intrinsic``, or the first difference."""
    wanted = semantics_of(intrinsic.semantics)
    if isinstance(wanted, str):
        return f"the semantics of '{intrinsic.name}' cannot be matched: {wanted}"
    sizes = sorted(wanted.loops.values()), sorted(given.loops.values())
    if sizes[0] != sizes[1]:
        return f"its extents are {_sizes(given)}, those of the instruction {_sizes(wanted)}"
    reason = _different_form(wanted, given)
    for pairs in aligned(wanted.store, given.store):
        for order in _orders(wanted, given):
            try:
                windows = _windows(intrinsic, pairs, order)
            except _DiffersError as difference:
                reason = reason or str(difference)
                continue
            return Match(windows, order)
    return reason or "its accesses differ"


def aligned(wanted: Store, given: Store) -> Iterator[Pairs]:
    """Yield the alignments of two stores: pairs of loads, that of the stored elements first."""
    stored = Load(wanted.buffer, wanted.indices), Load(given.buffer, given.indices)
    if stored[0].dtype != stored[1].dtype:
        return
    for pairs in alignments(wanted.value, given.value):
        yield (stored, *pairs)


def _sizes(computation: Computation) -> str:
    return " x ".join(str(extent) for extent in computation.loops.values()) or "1"


def _different_form(wanted: Computation, given: Computation) -> str | None:
    if next(aligned(wanted.store, given.store), None) is not None:
        return None
    return (
        f"it computes {script(given.store.value)} into {given.store.buffer.dtype} '{given.store.buffer.name}', the "
        f"instruction {script(wanted.store.value)} into {wanted.store.buffer.dtype}"
    )


def _orders(wanted: Computation, given: Computation) -> Iterator[dict[Var, Var]]:
    """Yield the assignments of loops of equal extents; the order of the loops first."""
    for chosen in permutations(given.loops):
        if all(given.loops[loop] == extent for loop, extent in zip(chosen, wanted.loops.values(), strict=True)):
            yield dict(zip(wanted.loops, chosen, strict=True))


def _windows(intrinsic: Intrinsic, pairs: Pairs, order: Mapping[Var, Var]) -> dict[str, Window]:
    operands = dict(zip(intrinsic.semantics.buffers, intrinsic.operands, strict=True))
    found: dict[str, Window] = {}
    for wanted, given in pairs:
        operand = operands.get(wanted.buffer)
        if operand is None:
            raise _DiffersError(f"'{wanted.buffer.name}' of the instruction's semantics is not one of its operands")
        window = window_of(wanted, given, order)
        if found.setdefault(operand.name, window) != window:
            raise _DiffersError(
                f"operand '{operand.name}' of the instruction is one place, here it is {script(given)} and another"
            )
    for operand in intrinsic.operands:
        if operand.name in found:
            check_operand(operand, found[operand.name])
    return found


def window_of(wanted: Load, given: Load, order: Mapping[Var, Var]) -> Window:
    """Return the window of ``given`` that ``wanted``, an access of the instruction, sees.

    Raises:
        _DiffersError: if no window makes them equal.
    """
    inner = frozenset(order.values())
    want = [_coefficients(index, frozenset(order), wanted) for index in wanted.indices]
    have = [_coefficients(index, inner, given) for index in given.indices]
    columns = [[0] * len(want) for _ in have]
    for dim, (steps, _) in enumerate(want):
        alone = next((var for var, step in steps.items() if step == 1 and _only(want, var, dim)), None)
        if alone is not None:
            for row, (moves, _) in enumerate(have):
                columns[row][dim] = moves.get(order[alone], 0)
    for row, (moves, _) in enumerate(have):
        for var, loop in order.items():
            reached = sum(columns[row][dim] * steps.get(var, 0) for dim, (steps, _) in enumerate(want))
            if reached != moves.get(loop, 0):
                names = ", ".join(f"{ours.name} = {theirs.name}" for theirs, ours in order.items())
                raise _DiffersError(
                    f"{script(given)} is not operand {script(wanted)} of the instruction ({names}): dimension {row} "
                    f"moves by {moves.get(loop, 0)} along '{loop.name}', the operand by {reached}"
                )
    base: list[Expr] = []
    for row, (_, rest) in enumerate(have):
        shift = sum(columns[row][dim] * _constant(begin) for dim, (_, begin) in enumerate(want))
        base.append(rest if shift == 0 else add(rest, -shift))
    return Window(given.buffer, tuple(base), tuple(tuple(row) for row in columns))


def window_or_reason(wanted: Load, given: Load, order: Mapping[Var, Var]) -> Window | str:
    """Return the window of ``given`` that ``wanted`` sees, or why there is none."""
    try:
        return window_of(wanted, given, order)
    except _DiffersError as difference:
        return str(difference)


def check_operand(operand: Operand, window: Window) -> None:
    """Check dtype, scope and strides that the instruction demands of an operand.

    Raises:
        _DiffersError: naming what differs.
    """
    buffer = window.buffer
    if buffer.dtype != operand.dtype:
        raise _DiffersError(f"'{buffer.name}' is {buffer.dtype}, operand '{operand.name}' {operand.dtype}")
    reachable = buffer.scope in _ORDINARY if operand.scope in _ANYWHERE else buffer.scope == operand.scope
    if not reachable:
        raise _DiffersError(
            f"'{buffer.name}' lies in scope '{buffer.scope}', operand '{operand.name}' has to lie in '{operand.scope}'"
        )
    for dim, wanted in enumerate(operand.strides or ()):
        if wanted is not None and not is_const(window.stride(dim), wanted):
            raise _DiffersError(
                f"neighbours of '{buffer.name}' along dimension {dim} of operand '{operand.name}' lie "
                f"{script(window.stride(dim))} elements apart, the instruction takes {wanted}"
            )


def reason_against(operand: Operand, window: Window) -> str | None:
    """Return why ``window`` cannot be ``operand``, None if it can."""
    try:
        check_operand(operand, window)
    except _DiffersError as difference:
        return str(difference)
    return None


def _only(want: Sequence[tuple[Mapping[Var, int], Expr]], var: Var, dim: int) -> bool:
    return all(var not in steps for other, (steps, _) in enumerate(want) if other != dim)


def _constant(value: Expr) -> int:
    return int(value.value) if isinstance(value, Const) else 0


def _coefficients(index: Expr, loops: frozenset[Var], access: Load) -> tuple[dict[Var, int], Expr]:
    """Return the step of ``index`` along each of ``loops``, and what of it does not depend on them."""
    form = Analyzer().form(index)
    steps: dict[Var, int] = {}
    rest: dict[Expr, int] = {}
    for atom, step in form.terms:
        if isinstance(atom, Var) and atom in loops:
            steps[atom] = step
        elif any(item in loops for item in walk(atom) if isinstance(item, Var)):
            raise _DiffersError(f"index {script(index)} of '{access.buffer.name}' is not affine in the loops")
        else:
            rest[atom] = step
    return steps, Affine.make(form.constant, rest).to_expr()
