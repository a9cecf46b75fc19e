"""Counted loops: rotated loops of basic blocks, and loops that are written out.

LLVM may not unroll a serial loop unless the loop's attribute ``unroll`` is true: scheduling has decided.
"""

from __future__ import annotations

from typing import Final

from tondo.diagnostics import fail
from tondo.ir import For
from tondo_llvm.emit.form import Linear
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.linear import linear, materialize
from tondo_llvm.emit.types import Operand

_MAX_UNROLL: Final = 4096


def serial_loop(frame: Frame, loop: For) -> None:
    """Write a counted loop whose test stands at its end, behind a guard where the extent is not known."""
    out = frame.out
    begin, extent = linear(frame, loop.begin), linear(frame, loop.extent)
    known = extent.constant
    if known is not None and known <= 0:
        return
    first = materialize(frame, begin)
    if known == 1:
        with frame.bound(loop.var, _counter_value(frame, loop, first)):
            frame.execute(loop.body)
        return
    end = materialize(frame, begin.plus(extent))
    body, done = out.label(f"{loop.var.name}.body"), out.label(f"{loop.var.name}.done")
    if known is None:
        out.branch_if(out.pure(f"icmp slt i64 {first}, {end}", "some"), body, done)
    else:
        out.branch(body)
    counted(frame, loop, first, end, body, done)


def counted(frame: Frame, loop: For, first: Operand, end: Operand, body: str, done: str) -> None:
    """Write the loop from block ``body`` on; the block before it has branched there already."""
    out = frame.out
    before = out.block
    flags = "nuw nsw" if isinstance(first, int) and first >= 0 else "nsw"
    out.start(body)
    with out.scope():
        counter = out.name(loop.var.name)
        line = out.reserve(counter)
        with frame.bound(loop.var, _counter_value(frame, loop, counter)):
            frame.execute(loop.body)
        following = out.value(f"add {flags} i64 {counter}, 1", f"{loop.var.name}.next")
        again = out.value(f"icmp slt i64 {following}, {end}", "again")
        out.fill(line, f"{counter} = phi i64 [ {first}, %{before} ], [ {following}, %{out.block} ]")
        out.branch_if(again, body, done, frame.module.loop(unroll=loop.attrs.get("unroll") is True))
    out.start(done)


def _counter_value(frame: Frame, loop: For, counter: Operand) -> Operand:
    bits = loop.var.dtype.bits
    if bits == 64 or isinstance(counter, int):
        return counter
    return frame.out.pure(f"trunc i64 {counter} to i{bits}", loop.var.name)


def unrolled_loop(frame: Frame, loop: For) -> None:
    """Write the body once per iteration, with the loop variable known as far as it can be.

    Raises:
        TondoError: TND-B004 if the extent is not a small constant.
    """
    begin, extent = linear(frame, loop.begin), linear(frame, loop.extent).constant
    if extent is None or extent > _MAX_UNROLL:
        fail(
            "TND-B004",
            f"loop '{loop.var.name}' cannot be unrolled: its extent is not a constant of at most {_MAX_UNROLL}",
            span=loop.span,
        )
    for step in range(extent):
        form = begin.plus(Linear({}, step))
        value = materialize(frame, form)
        if isinstance(value, str):
            frame.forms[value] = form
        with frame.bound(loop.var, _counter_value(frame, loop, value)):
            frame.execute(loop.body)
