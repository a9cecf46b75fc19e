"""Index expressions as linear forms, and what vector indices look like per lane.

The form (:mod:`tondo_llvm.emit.form`) makes constant parts (of unrolled loops) visible as offsets, lets outer terms be
added once outside inner loops, and proves alignments. Index arithmetic does not overflow: a tensor's indices fit int64.
"""

from __future__ import annotations

from dataclasses import dataclass

from tondo.ir import INT64, Binary, Broadcast, Cast, Compare, Const, Expr, Ramp, Var
from tondo_llvm.emit.form import Linear
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.types import Operand, vector_literal

_MAX_PRODUCT = 4
_LANE_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Lanes:
    """The vector whose lane ``i`` is ``base + i * step``."""

    base: Linear
    step: Linear


def linear(frame: Frame, expr: Expr) -> Linear:
    """Return the linear form of a scalar index expression, writing the values that it is made of."""
    match expr:
        case Var():
            return _known_form(frame, index_value(frame, expr))
        case Const():
            return Linear({}, int(expr.value))
        case Binary(op=("add" | "sub") as op, dtype=dtype) if dtype == INT64:
            return linear(frame, expr.a).plus(linear(frame, expr.b), 1 if op == "add" else -1)
        case Binary(op="mul", dtype=dtype) if dtype == INT64:
            return product(frame, linear(frame, expr.a), linear(frame, expr.b))
        case Cast(dtype=dtype) if dtype == INT64 and expr.a.dtype == INT64:
            return linear(frame, expr.a)
        case _:
            return _known_form(frame, index_value(frame, expr))


def _known_form(frame: Frame, value: Operand) -> Linear:
    """An index that was bound by a let or an unrolled loop is taken apart again."""
    known = frame.forms.get(value) if isinstance(value, str) else None
    return Linear.of(value) if known is None else known


def index_value(frame: Frame, expr: Expr) -> Operand:
    """Return the value of a scalar integer expression as ``i64``."""
    value = frame.value(expr)
    if isinstance(value, int):
        return value % (1 << expr.dtype.bits) if expr.dtype.kind == "uint" else value
    if expr.dtype.bits == INT64.bits:
        return value
    widen = "zext" if expr.dtype.kind == "uint" or expr.dtype.is_bool else "sext"
    source = "i1" if expr.dtype.is_bool else f"i{expr.dtype.bits}"
    return frame.out.pure(f"{widen} {source} {value} to i64", "index")


def product(frame: Frame, a: Linear, b: Linear) -> Linear:
    """Return ``a * b``, distributed over short sums so that constant parts stay visible."""
    if a.constant is not None:
        return b.times(a.constant)
    if b.constant is not None:
        return a.times(b.constant)
    if (len(a.terms) + 1) * (len(b.terms) + 1) > _MAX_PRODUCT + 2:
        return Linear.of(_multiply(frame, materialize(frame, a), materialize(frame, b)))
    result = Linear({}, a.offset * b.offset)
    for name, coefficient in a.terms.items():
        result = result.plus(Linear({name: coefficient * b.offset} if b.offset else {}))
        for other, factor in b.terms.items():
            result = result.plus(Linear.of(_multiply(frame, name, other)), coefficient * factor)
    for other, factor in b.terms.items():
        result = result.plus(Linear({other: factor * a.offset} if a.offset else {}))
    return result


def _multiply(frame: Frame, a: Operand, b: Operand) -> Operand:
    # One order for both factors, so that the same product is found again.
    first, second = sorted((str(a), str(b)))
    return frame.out.pure(f"mul nsw i64 {first}, {second}", "mul")


def materialize(frame: Frame, form: Linear) -> Operand:
    """Write the value of ``form``: outer values first, the constant last."""
    total: Operand | None = None
    for name in by_depth(frame, form):
        term = scaled(frame, name, form.terms[name])
        total = term if total is None else frame.out.pure(f"add nsw i64 {total}, {term}", "sum")
    if total is None:
        return form.offset
    return frame.out.pure(f"add nsw i64 {total}, {form.offset}", "sum") if form.offset else total


def scaled(frame: Frame, name: str, factor: int) -> str:
    """Return ``factor * name``."""
    return name if factor == 1 else frame.out.pure(f"mul nsw i64 {name}, {factor}", "mul")


def by_depth(frame: Frame, form: Linear) -> list[str]:
    """Return the names in ``form`` ordered from the outermost loop inwards."""
    return sorted(form.terms, key=frame.out.depth_of)


def lanes_of(frame: Frame, expr: Expr) -> Lanes | None:
    """Return base and step of an int64 index expression; None for a vector that is no ramp."""
    if expr.dtype.lanes == 1:
        return Lanes(linear(frame, expr), Linear())
    match expr:
        case Ramp():
            return Lanes(linear(frame, expr.base), linear(frame, expr.stride))
        case Broadcast():
            return Lanes(linear(frame, expr.value), Linear())
        case Const():
            return Lanes(Linear({}, int(expr.value)), Linear())
        case Binary(op=("add" | "sub") as op) if expr.dtype.element == INT64:
            a, b = lanes_of(frame, expr.a), lanes_of(frame, expr.b)
            sign = 1 if op == "add" else -1
            return Lanes(a.base.plus(b.base, sign), a.step.plus(b.step, sign)) if a and b else None
        case Binary(op="mul") if expr.dtype.element == INT64:
            return _scaled_lanes(frame, expr)
        case _:
            return None


def _scaled_lanes(frame: Frame, expr: Binary) -> Lanes | None:
    for ramp, factor in ((expr.a, expr.b), (expr.b, expr.a)):
        if isinstance(factor, Broadcast | Const):
            lanes = lanes_of(frame, ramp)
            scale = lanes_of(frame, factor)
            if lanes is not None and scale is not None:
                return Lanes(product(frame, lanes.base, scale.base), product(frame, lanes.step, scale.base))
    return None


def plain_index(expr: Expr) -> bool:
    """Whether :func:`lanes_of` of the int64 ``expr`` will find a form without writing anything for nothing."""
    match expr:
        case Ramp() | Broadcast() | Const() | Var():
            return expr.dtype.element == INT64 and not (isinstance(expr, Var) and expr.dtype.lanes > 1)
        case Binary(op=("add" | "sub")):
            return expr.dtype.element == INT64 and plain_index(expr.a) and plain_index(expr.b)
        case Binary(op="mul"):
            one_scalar = isinstance(expr.a, Broadcast | Const) or isinstance(expr.b, Broadcast | Const)
            return expr.dtype.element == INT64 and one_scalar and plain_index(expr.a) and plain_index(expr.b)
        case _:
            return expr.dtype == INT64


def compare_lanes(frame: Frame, expr: Compare) -> Operand | None:
    """Write a comparison of int64 ramps with 32-bit lanes: ``base + i*step < 0`` with the base clamped.

    A mask of a loop's tail then costs one narrow vector comparison instead of several 64-bit ones.
    """
    lanes = expr.dtype.lanes
    if lanes == 1 or expr.op not in {"lt", "le", "gt", "ge"} or not (plain_index(expr.a) and plain_index(expr.b)):
        return None
    a, b = lanes_of(frame, expr.a), lanes_of(frame, expr.b)
    if a is None or b is None:
        return None
    base, step = a.base.plus(b.base, -1), a.step.plus(b.step, -1).constant
    if step is None or abs(step) * lanes >= _LANE_LIMIT or base.constant is not None:
        return None
    out = frame.out
    low = out.pure(f"call i64 @llvm.smax.i64(i64 {materialize(frame, base)}, i64 {-_LANE_LIMIT})", "low")
    clamped = out.pure(f"call i64 @llvm.smin.i64(i64 {low}, i64 {_LANE_LIMIT})", "clamped")
    narrow = out.pure(f"trunc i64 {clamped} to i32", "narrow")
    kind = f"<{lanes} x i32>"
    first = splat(frame, narrow, "i32", lanes)
    steps = vector_literal([step * lane for lane in range(lanes)], "i32")
    place = out.pure(f"add nsw {kind} {first}, {steps}", "lane") if step else first
    return out.pure(f"icmp s{expr.op} {kind} {place}, zeroinitializer", "mask")


def splat(frame: Frame, value: Operand, element: str, lanes: int) -> str:
    """Return the vector of ``lanes`` copies of the scalar ``value`` of the LLVM type ``element``."""
    if isinstance(value, int) or not value.startswith("%"):
        return f"splat ({element} {value})"
    kind = f"<{lanes} x {element}>"
    first = frame.out.pure(f"insertelement {kind} poison, {element} {value}, i64 0", "lane0")
    return frame.out.pure(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer", "splat")
