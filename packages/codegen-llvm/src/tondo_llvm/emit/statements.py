"""Statements to basic blocks: rotated loops, branches, bindings, memory.

Required form: blocks are lowered to loops and stores; ``vectorized`` loops to vector expressions; loops of kind
``bind:...`` do not exist on a CPU. Anything else is refused with TND-B004.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn, cast

from tondo.diagnostics import fail
from tondo.ir import (
    INT64,
    LOCAL,
    Allocate,
    Assert,
    Block,
    Const,
    Evaluate,
    For,
    If,
    Invoke,
    Let,
    Reserve,
    Seq,
    Stmt,
    Store,
    View,
    While,
)
from tondo_llvm.emit.calls import call, check
from tondo_llvm.emit.form import Linear
from tondo_llvm.emit.frame import Frame, Slot
from tondo_llvm.emit.linear import linear, materialize, product
from tondo_llvm.emit.loops import serial_loop, unrolled_loop
from tondo_llvm.emit.memory import store
from tondo_llvm.emit.parallel import parallel_loop
from tondo_llvm.emit.reserve import SLOT_ALIGN, reserve
from tondo_llvm.emit.types import Operand, memory_type

_STACK_BUFFER: Final = 64 << 10
_STACK_TOTAL: Final = 512 << 10


def execute(frame: Frame, stmt: Stmt) -> None:
    """Write ``stmt``.

    Raises:
        TondoError: TND-B004 for a form that cannot be expressed.
    """
    writer = _WRITERS.get(type(stmt), _refuse)
    writer(frame, stmt)


def _refuse(frame: Frame, stmt: Stmt) -> NoReturn:
    name = f"block '{stmt.name}'" if isinstance(stmt, Block) else f"a statement of class {type(stmt).__name__}"
    fail(
        "TND-B004",
        f"'{frame.unit.function.name}' holds {name}, which must be lowered before code is generated",
        help="run the lowering passes of the target's pipeline",
    )


def _seq(frame: Frame, stmt: Stmt) -> None:
    for item in cast("Seq", stmt).stmts:
        frame.execute(item)


def _for(frame: Frame, stmt: Stmt) -> None:
    loop = cast("For", stmt)
    match loop.kind:
        case "serial":
            serial_loop(frame, loop)
        case "unrolled":
            unrolled_loop(frame, loop)
        case "parallel" if frame.parent is None:
            parallel_loop(frame, loop)
        case "parallel":
            serial_loop(frame, loop)
        case _:
            fail(
                "TND-B004",
                f"loop '{loop.var.name}' of kind '{loop.kind}' must be lowered before code is generated",
                span=loop.span,
            )


def _if(frame: Frame, stmt: Stmt) -> None:
    node = cast("If", stmt)
    condition = frame.value(node.condition)
    if isinstance(condition, int):
        chosen = node.then if condition else node.orelse
        if chosen is not None:
            frame.execute(chosen)
        return
    out = frame.out
    then, done = out.label("then"), out.label("endif")
    orelse = out.label("else") if node.orelse is not None else done
    out.branch_if(condition, then, orelse)
    for label, side in ((then, node.then), (orelse, node.orelse)):
        if side is None:
            continue
        out.start(label)
        with out.scope():
            frame.execute(side)
        out.branch(done)
    out.start(done)


def _let(frame: Frame, stmt: Stmt) -> None:
    node = cast("Let", stmt)
    with frame.bound(node.var, _let_value(frame, node)):
        frame.execute(node.body)


def _let_value(frame: Frame, node: Let) -> Operand:
    """An index keeps its linear form, so that constant parts still show where it is used."""
    if node.value.dtype != INT64 or frame.loads(node.value):
        return frame.value(node.value)
    form = linear(frame, node.value)
    value = materialize(frame, form)
    if isinstance(value, str):
        frame.forms[value] = form
    return value


def _while(frame: Frame, stmt: Stmt) -> None:
    node = cast("While", stmt)
    out = frame.out
    head, body, done = out.label("while"), out.label("while.body"), out.label("while.done")
    out.branch(head)
    out.start(head)
    with out.scope():
        out.branch_if(frame.value(node.condition), body, done)
        out.start(body)
        frame.execute(node.body)
        out.do(f"br label %{head}{frame.module.loop(unroll=False)}")
    out.start(done)


def _allocate(frame: Frame, stmt: Stmt) -> None:
    node = cast("Allocate", stmt)
    count = 1
    for extent in node.buffer.shape:
        if not isinstance(extent, Const):
            _no_stack(frame, node, "its size is not a constant")
        count *= int(extent.value)
    if not frame.has_slot(node.buffer):
        count = max(1, count)
        _place_on_stack(frame, node, count, count * node.buffer.dtype.bytes)
    frame.execute(node.body)


def _place_on_stack(frame: Frame, node: Allocate, count: int, size: int) -> None:
    buffer = node.buffer
    if size > _STACK_BUFFER or frame.unit.stack[0] + size > _STACK_TOTAL:
        _no_stack(frame, node, f"{size} bytes do not fit the stack")
    frame.unit.stack[0] += size
    align = max(buffer.align, buffer.dtype.bytes, _vector_align(frame, size))
    kind = memory_type(buffer.dtype.element)
    pointer = frame.out.prologue(f"alloca [{count} x {kind}], align {align}", buffer.name)
    frame.define_slot(Slot(buffer, pointer, align, noalias=True))


def _vector_align(frame: Frame, size: int) -> int:
    width = max(16, frame.unit.target.vector_bits // 8)
    return min(width, 1 << max(0, (size - 1).bit_length()))


def _no_stack(frame: Frame, node: Allocate, reason: str) -> NoReturn:
    kind = "local buffer" if node.buffer.scope == LOCAL else "temporary buffer"
    fail(
        "TND-B004",
        f"{kind} '{node.buffer.name}' of '{frame.unit.function.name}' cannot live on the stack: {reason}",
        span=node.span,
        help="large and dynamic temporaries must become parameters, views of the workspace, before code is generated",
    )


def _view(frame: Frame, stmt: Stmt) -> None:
    node = cast("View", stmt)
    base = frame.slot(node.base)
    base.noalias = False
    offset = linear(frame, node.offset)
    place = materialize(frame, offset)
    pointer = base.pointer
    if place != 0:
        pointer = frame.out.pure(f"getelementptr i8, ptr {pointer}, i64 {place}", node.buffer.name)
    align = max(node.buffer.align, node.buffer.dtype.bytes, offset.multiple(1, base.align))
    frame.define_slot(Slot(node.buffer, pointer, align, noalias=False))
    frame.execute(node.body)


def _reserve(frame: Frame, stmt: Stmt) -> None:
    node = cast("Reserve", stmt)
    size = Linear({}, node.buffer.dtype.bytes)
    for extent in node.buffer.shape:
        size = product(frame, size, linear(frame, extent))
    slot, count = materialize(frame, linear(frame, node.slot)), materialize(frame, size)
    pointer = reserve(frame, slot, count, node.buffer.name)
    frame.define_slot(Slot(node.buffer, pointer, SLOT_ALIGN, noalias=False))
    frame.execute(node.body)


def _store(frame: Frame, stmt: Stmt) -> None:
    store(frame, cast("Store", stmt))


def _evaluate(frame: Frame, stmt: Stmt) -> None:
    frame.value(cast("Evaluate", stmt).value)


def _assert(frame: Frame, stmt: Stmt) -> None:
    check(frame, cast("Assert", stmt))


def _invoke(frame: Frame, stmt: Stmt) -> None:
    call(frame, cast("Invoke", stmt))


_WRITERS: Final[dict[type[Stmt], Callable[[Frame, Stmt], None]]] = {
    Seq: _seq,
    For: _for,
    If: _if,
    Let: _let,
    While: _while,
    Allocate: _allocate,
    View: _view,
    Reserve: _reserve,
    Store: _store,
    Evaluate: _evaluate,
    Assert: _assert,
    Invoke: _invoke,
}
