"""The emission of an instruction in place of a nest: its operands become windows of the program's buffers.

Before (an instruction whose emission is ``c[ramp(0, 1, 4)] = fma(a[ramp(0, 1, 4)], ...)``, window of ``a``: ``A[i, j *
4 + x]``)::

    c[ramp(0, 1, 4)] = fma(a[ramp(0, 1, 4)], ...)

After::

    C[i, ramp(j * 4, 1, 4)] = fma(A[i, ramp(j * 4, 1, 4)], ...)

A variable as a stride of an operand's buffer stands for the distance in elements that the program has there. Loops and
local buffers of the emission get names of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Final

from tondo.diagnostics import fail
from tondo.ir import (
    Binary,
    Broadcast,
    Buffer,
    Const,
    Expr,
    Load,
    Node,
    Ramp,
    Stmt,
    Store,
    TensorFunction,
    Var,
    add,
    intrin,
    mul,
    rename,
    rewrite,
    substitute,
)
from tondo.target import Intrinsic, LlvmCall
from tondo_schedule.instructions.match import Window

_ARITHMETIC: Final[Mapping[str, Callable[[int, int], int]]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "floormod": lambda a, b: a % b,
}


def inlined(intrinsic: Intrinsic, windows: Mapping[str, Window], fresh: Callable[[str], str]) -> Stmt:
    """Return the emission of ``intrinsic`` on ``windows`` (by the names of its operands).

    Raises:
        TondoError: TND-B003 if the emission is of a form that cannot be placed.
    """
    if isinstance(intrinsic.emission, LlvmCall):
        function = called(intrinsic, intrinsic.emission)
    else:
        function = intrinsic.emission
    names = [operand.name for operand in intrinsic.operands]
    local = {name: fresh(f"{name}_operand") for name in names}
    made = rename(function, lambda name: local.get(name) or fresh(name))
    places = {buffer.name: windows[name] for name, buffer in zip(names, made.buffers, strict=True)}
    values: dict[Var, Expr] = {}
    for buffer in made.buffers:
        window = places[buffer.name]
        for dim, stride in enumerate(buffer.strides or ()):
            if isinstance(stride, Var):
                values[stride] = window.stride(dim)

    def change(item: Node) -> Node:
        if isinstance(item, (Load, Store)) and item.buffer.name in places:
            window = places[item.buffer.name]
            return replace(item, buffer=window.buffer, indices=placed(window, item.indices))
        return item

    result = rewrite(substitute(made.body, values), change)
    assert isinstance(result, Stmt)
    return result


def called(intrinsic: Intrinsic, call: LlvmCall) -> TensorFunction:
    """Return the emission that is one call of an LLVM intrinsic: whole operands in, the written operand out."""
    buffers = intrinsic.semantics.buffers
    args: list[Expr] = []
    written: list[tuple[Buffer, tuple[Expr, ...]]] = []
    for operand, buffer in zip(intrinsic.operands, buffers, strict=True):
        if len(operand.shape) > 1:
            fail("TND-B003", f"'{intrinsic.name}': operand '{operand.name}' of a call has {len(operand.shape)} axes")
        lanes = operand.shape[0] if operand.shape else 1
        place: tuple[Expr, ...] = (Ramp(Const(0), Const(1), lanes),) if lanes > 1 else (Const(0),) * len(operand.shape)
        if operand.access != "write":
            args.append(Load(buffer, place))
        if operand.access != "read":
            written.append((buffer, place))
    if len(written) != 1:
        fail("TND-B003", f"'{intrinsic.name}': a call writes one operand, this one {len(written)}")
    ((target, place),) = written
    value = intrin(call.intrinsic, *args, dtype=Load(target, place).dtype)
    return TensorFunction(f"{intrinsic.semantics.name}_call", tuple(buffers), Store(target, place, value))


def placed(window: Window, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Return the indices in the program's buffer of element ``indices`` of an operand.

    Lanes that lie evenly apart in the program's buffer are a ramp there, also if they go through several dimensions of
    the operand: ``b[ramp(0, 1, 16) // 2, ramp(0, 1, 16) % 2]`` are the 16 elements of a compact ``b`` of 8 x 2.
    """
    result: list[Expr] = []
    even = _even(window, indices)
    if even is not None:
        return even
    for base, row in zip(window.base, window.columns, strict=True):
        total = base
        for step, index in zip(row, indices, strict=True):
            if step:
                total = plus(total, times(index, step))
        result.append(total)
    return tuple(result)


def _even(window: Window, indices: tuple[Expr, ...]) -> tuple[Expr, ...] | None:
    """Return the indices where every lane is a number and the lanes are a ramp along one dimension at least."""
    known = [found for index in indices if (found := _numbers(index)) is not None]
    lanes = max(map(len, known), default=1)
    if lanes == 1 or len(known) != len(indices) or any(base.dtype.lanes > 1 for base in window.base):
        return None
    result: list[Expr] = []
    for base, row in zip(window.base, window.columns, strict=True):
        terms = [(step, found if len(found) > 1 else found * lanes) for step, found in zip(row, known, strict=True)]
        offsets = [sum(step * found[lane] for step, found in terms) for lane in range(lanes)]
        apart = offsets[1] - offsets[0]
        if any(b - a != apart for a, b in pairwise(offsets)):
            return None
        first = add(base, offsets[0])
        result.append(Ramp(first, Const(apart), lanes) if apart else first)
    return tuple(result) if any(isinstance(item, Ramp) for item in result) else None


def _numbers(index: Expr) -> list[int] | None:
    """Return the lanes of an index of numbers, None for another."""
    match index:
        case Const(value=value):
            return [int(value)]
        case Ramp(base=Const(value=base), stride=Const(value=stride), lanes=lanes):
            return [int(base) + lane * int(stride) for lane in range(lanes)]
        case Broadcast(value=inner, lanes=lanes):
            found = _numbers(inner)
            return None if found is None else found * lanes
        case Binary(op="add" | "sub" | "mul" | "floordiv" | "floormod" as op, a=a, b=b):
            left, right = _numbers(a), _numbers(b)
            if left is None or right is None or len(left) != len(right) or (0 in right and op.startswith("floor")):
                return None
            return [_ARITHMETIC[op](x, y) for x, y in zip(left, right, strict=True)]
        case _:
            return None


def plus(a: Expr, b: Expr) -> Expr:
    """Return the sum of two indices, either of which may be a vector; ramps stay ramps."""
    if a.dtype.lanes == 1 and b.dtype.lanes == 1:
        return add(a, b)
    if b.dtype.lanes == 1:
        a, b = b, a
    if a.dtype.lanes == 1 and isinstance(b, Ramp):
        return Ramp(add(a, b.base), b.stride, b.lanes)
    if isinstance(a, Ramp) and isinstance(b, Ramp):
        return Ramp(add(a.base, b.base), add(a.stride, b.stride), b.lanes)
    wide = a if a.dtype.lanes > 1 else Broadcast(a, b.dtype.lanes)
    return Binary("add", wide, b)


def times(index: Expr, step: int) -> Expr:
    """Return a multiple of an index, which may be a vector."""
    if step == 1:
        return index
    if index.dtype.lanes == 1:
        return mul(index, step)
    if isinstance(index, Ramp):
        return Ramp(mul(index.base, step), mul(index.stride, step), index.lanes)
    return Binary("mul", index, Broadcast(Const(step), index.dtype.lanes))
