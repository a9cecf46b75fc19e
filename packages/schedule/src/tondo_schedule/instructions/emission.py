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
    """Return the indices in the program's buffer of element ``indices`` of an operand."""
    result: list[Expr] = []
    for base, row in zip(window.base, window.columns, strict=True):
        total = base
        for step, index in zip(row, indices, strict=True):
            if step:
                total = plus(total, times(index, step))
        result.append(total)
    return tuple(result)


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
