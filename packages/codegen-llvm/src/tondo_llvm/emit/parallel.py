"""Parallel loops: the body becomes a function of a range, run by the context's ``parallel_for``.

Before: ``parallel for i: body``. After, in the function around: the captured values are stored to a closure on the
stack and ``parallel_for(pool, chunk, closure, extent, grain, num_threads)`` is called. ``chunk`` unpacks the closure
and calls ``range``, which runs the iterations one after the other. The two are separate so that pointers arrive as
parameters, which can say that they do not alias; values loaded from a closure cannot.

The loop's attribute ``grain`` (an integer or an expression, default 1) is the number of iterations per chunk.
"""

from __future__ import annotations

from tondo.ir import Expr, For
from tondo_llvm.emit.builder import function_symbol, symbol
from tondo_llvm.emit.calls import return_unless_zero
from tondo_llvm.emit.context import field
from tondo_llvm.emit.frame import Capture, Frame
from tondo_llvm.emit.linear import linear, materialize
from tondo_llvm.emit.loops import counted
from tondo_llvm.emit.types import Operand


def parallel_loop(frame: Frame, loop: For) -> None:
    """Write a parallel loop of the function's own body."""
    out = frame.out
    extent, begin = linear(frame, loop.extent), linear(frame, loop.begin)
    if extent.constant is not None and extent.constant <= 0:
        return
    first, count = materialize(frame, begin), materialize(frame, extent)
    grain = _grain(frame, loop)
    base = function_symbol(frame.name)
    range_name, chunk_name = frame.module.fresh(f"{base}.range"), frame.module.fresh(f"{base}.chunk")
    captures = _outline(frame, loop, range_name, first)
    fields = [Capture("ptr", "%ctx", "%ctx"), *captures]
    closure_type = f"{{ {', '.join(capture.type for capture in fields)} }}"
    frame.module.define(chunk_name, _chunk(chunk_name, range_name, closure_type, fields))
    closure = out.prologue(f"alloca {closure_type}, align 8", "closure")
    for place, capture in enumerate(fields):
        at = out.value(f"getelementptr {closure_type}, ptr {closure}, i32 0, i32 {place}", "field")
        out.do(f"store {capture.type} {capture.outer}, ptr {at}, align {_align(capture.type)}")
    function, pool, threads = field(frame, "parallel_for"), field(frame, "pool"), field(frame, "num_threads")
    result = out.value(
        f"call i32 {function}(ptr {pool}, ptr {symbol(chunk_name)}, ptr {closure}, i64 {count}, i64 {grain}, "
        f"i32 {threads})",
        "rc",
    )
    return_unless_zero(frame, result)


def _grain(frame: Frame, loop: For) -> Operand:
    grain = loop.attrs.get("grain", 1)
    if isinstance(grain, Expr):
        value = materialize(frame, linear(frame, grain))
        return frame.out.pure(f"call i64 @llvm.smax.i64(i64 {value}, i64 1)", "grain")
    return max(1, int(grain)) if isinstance(grain, int) else 1


def _align(kind: str) -> int:
    """The alignment of a field of the closure; 1 is always right."""
    return {"ptr": 8, "i64": 8, "double": 8, "i32": 4, "float": 4, "i16": 2}.get(kind, 1)


def _outline(frame: Frame, loop: For, name: str, first: Operand) -> list[Capture]:
    """Write ``name(ctx, begin, end, captured...)`` with the iterations ``[begin, end)`` and return what it captures."""
    inner = Frame(frame.unit, frame.evaluator, frame.executor, parent=frame)
    out = inner.out
    start = inner.capture_value(first, loop.var.name)
    begin = out.pure(f"add nsw i64 %begin, {start}", "first") if start != 0 else "%begin"
    end = out.pure(f"add nsw i64 %end, {start}", "last") if start != 0 else "%end"
    body, done = out.label(f"{loop.var.name}.body"), out.label(f"{loop.var.name}.done")
    out.branch_if(out.pure(f"icmp slt i64 {begin}, {end}", "some"), body, done)
    counted(inner, loop, begin, end, body, done)
    out.ret("i32 0")
    params = ["ptr noalias readonly %ctx", "i64 %begin", "i64 %end"]
    params += [
        f"{capture.type} {capture.attributes}{' ' if capture.attributes else ''}{capture.inner}"
        for capture in inner.captures
    ]
    frame.module.define(name, out.text(f"define internal i32 {symbol(name)}({', '.join(params)}) noinline #0"))
    return inner.captures


def _chunk(name: str, target: str, closure_type: str, fields: list[Capture]) -> str:
    lines = [f"define internal i32 {symbol(name)}(ptr %closure, i64 %begin, i64 %end) #0 {{", "entry:"]
    arguments: list[str] = []
    for place, capture in enumerate(fields):
        lines.append(f"  %at.{place} = getelementptr {closure_type}, ptr %closure, i32 0, i32 {place}")
        lines.append(f"  %value.{place} = load {capture.type}, ptr %at.{place}, align {_align(capture.type)}")
        arguments.append(f"{capture.type} %value.{place}")
    arguments[1:1] = ["i64 %begin", "i64 %end"]
    lines += [f"  %rc = call i32 {symbol(target)}({', '.join(arguments)})", "  ret i32 %rc", "}", ""]
    return "\n".join(lines)
