"""The intrinsic functions of the IR, and the escape to LLVM's own.

Beyond the table of :mod:`tondo.ir.intrinsics` two names are understood, for declared instructions of targets:
``llvm.*`` is a call of that LLVM intrinsic with the arguments as they are (literals stay literals; bfloat16 is LLVM's
bfloat), and ``address`` is the pointer to the element that a Load names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tondo.diagnostics import fail
from tondo.ir import FLOAT32, INTRINSICS, DType, Expr, Intrin, Load
from tondo.ir.expr import BinaryOp
from tondo_llvm.emit.address import address
from tondo_llvm.emit.arithmetic import binary
from tondo_llvm.emit.basic import compare, suffix
from tondo_llvm.emit.convert import convert
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.mathcall import call_math
from tondo_llvm.emit.smallfloat import narrow, widen
from tondo_llvm.emit.types import Operand, is_small_float, literal, register_type

_REDUCTIONS: Final[dict[str, BinaryOp]] = {
    "reduce_add": "add",
    "reduce_mul": "mul",
    "reduce_max": "max",
    "reduce_min": "min",
}


def intrinsic(frame: Frame, expr: Intrin) -> Operand:
    """Write an intrinsic and return its value.

    Raises:
        TondoError: TND-B004 for an unknown name or types that it does not take.
    """
    special = _SPECIAL.get(expr.name)
    if special is not None:
        return special(frame, expr)
    if expr.name.startswith("llvm."):
        return _llvm(frame, expr)
    if expr.name not in INTRINSICS:
        fail("TND-B004", f"unknown intrinsic '{expr.name}'", span=expr.span)
    if expr.name in _REDUCTIONS:
        return _reduce(frame, expr)
    return _elementwise(frame, expr)


def _elementwise(frame: Frame, expr: Intrin) -> Operand:
    dtype = expr.dtype
    args = [frame.value(arg) for arg in expr.args]
    if dtype.is_integer or dtype.is_bool:
        return _integer(frame, expr, args)
    if is_small_float(dtype):
        single = FLOAT32.with_lanes(dtype.lanes)
        wide = tuple(widen(frame, arg, dtype) for arg in args)
        return narrow(frame, float_function(frame, expr.name, wide, single), dtype)
    return float_function(frame, expr.name, tuple(args), dtype)


def float_function(frame: Frame, name: str, args: tuple[Operand, ...], dtype: DType) -> Operand:
    """Return a mathematical function of float32 or float64 values."""
    if name == "rsqrt":
        return binary(frame, "div", literal(1.0, dtype), call_math(frame, "sqrt", args, dtype), dtype)
    if name == "fma" and not frame.unit.fused:
        # Without the instruction LLVM would call a slow library function.
        return binary(frame, "add", binary(frame, "mul", args[0], args[1], dtype), args[2], dtype)
    return call_math(frame, name, args, dtype)


def _integer(frame: Frame, expr: Intrin, args: list[Operand]) -> Operand:
    dtype = expr.dtype
    kind = register_type(dtype)
    match expr.name:
        case "floor" | "ceil" | "round" | "trunc":
            return args[0]
        case "abs" if dtype.kind == "int":
            full = f"llvm.abs.{suffix(dtype)}"
            return frame.out.pure(f"call {kind} @{full}({kind} {args[0]}, i1 false)", "abs")
        case "abs":
            return args[0]
        case "pow":
            return binary(frame, "pow", args[0], args[1], dtype)
        case "fmod":
            return binary(frame, "truncmod", args[0], args[1], dtype)
        case "fma":
            return binary(frame, "add", binary(frame, "mul", args[0], args[1], dtype), args[2], dtype)
        case _:
            return fail(
                "TND-B004", f"'{expr.name}' is not defined for {dtype}", span=expr.span, help="cast to a float first"
            )


def _classify(frame: Frame, expr: Intrin) -> Operand:
    source = expr.args[0].dtype
    value = frame.value(expr.args[0])
    if not source.is_float:
        return literal(0, DType("bool", 8, source.lanes))
    if is_small_float(source):
        value, source = widen(frame, value, source), FLOAT32.with_lanes(source.lanes)
    kind = register_type(source)
    if expr.name == "isnan":
        return frame.out.pure(f"fcmp uno {kind} {value}, {literal(0.0, source)}", "isnan")
    return compare(frame, "eq", call_math(frame, "abs", (value,), source), literal(float("inf"), source), source)


def _popcount(frame: Frame, expr: Intrin) -> Operand:
    source = expr.args[0].dtype
    if not source.is_integer:
        fail("TND-B004", f"'popcount' is not defined for {source}", span=expr.span)
    kind = register_type(source)
    full = f"llvm.ctpop.{suffix(source)}"
    value = frame.out.pure(f"call {kind} @{full}({kind} {frame.value(expr.args[0])})", "popcount")
    # A count is never negative, whatever the sign of the type.
    unsigned = DType("uint", source.bits, source.lanes)
    return convert(frame, value, unsigned, expr.dtype)


def _reinterpret(frame: Frame, expr: Intrin) -> Operand:
    source, target = expr.args[0].dtype, expr.dtype
    value = frame.value(expr.args[0])
    if source.bits * source.lanes != target.bits * target.lanes or source.is_bool or target.is_bool:
        fail("TND-B004", f"{source} cannot be reinterpreted as {target}", span=expr.span)
    before, after = register_type(source), register_type(target)
    return value if before == after else frame.out.pure(f"bitcast {before} {value} to {after}", "bits")


def _reduce(frame: Frame, expr: Intrin) -> Operand:
    """Combine the lanes. Sums and products may be reassociated; the order is LLVM's."""
    source = expr.args[0].dtype
    value = frame.value(expr.args[0])
    if source.lanes == 1:
        return value
    op = _REDUCTIONS[expr.name]
    if is_small_float(source):
        single = FLOAT32.with_lanes(source.lanes)
        return narrow(frame, _reduce_value(frame, op, widen(frame, value, source), single), source.element)
    return _reduce_value(frame, op, value, source)


def _reduce_value(frame: Frame, op: BinaryOp, value: Operand, dtype: DType) -> Operand:
    kind, element = register_type(dtype), register_type(dtype.element)
    if dtype.is_float and op in {"min", "max"}:
        return _reduce_halves(frame, op, value, dtype)
    if dtype.is_float:
        full = f"llvm.vector.reduce.f{op}.{suffix(dtype)}"
        start = literal(-0.0 if op == "add" else 1.0, dtype.element)
        return frame.out.pure(f"call reassoc {element} @{full}({element} {start}, {kind} {value})", "total")
    word = op if op in {"add", "mul"} else f"{'s' if dtype.kind == 'int' else 'u'}{op}"
    if dtype.is_bool:
        word = {"add": "or", "max": "or", "mul": "and", "min": "and"}[op]
    full = f"llvm.vector.reduce.{word}.{suffix(dtype)}"
    return frame.out.pure(f"call {element} @{full}({kind} {value})", "total")


def _reduce_halves(frame: Frame, op: BinaryOp, value: Operand, dtype: DType) -> Operand:
    """Combine the two halves until one lane is left, with the comparison that ``min`` and ``max`` use elsewhere."""
    lanes = dtype.lanes
    if lanes == 1:
        return value
    kind = register_type(dtype)
    if lanes % 2:
        last = frame.out.pure(f"extractelement {kind} {value}, i64 {lanes - 1}", "last")
        rest = _part(frame, value, dtype, 0, lanes - 1)
        rest = _reduce_halves(frame, op, rest, dtype.with_lanes(lanes - 1))
        return binary(frame, op, rest, last, dtype.element)
    half = dtype.with_lanes(lanes // 2)
    low, high = _part(frame, value, dtype, 0, lanes // 2), _part(frame, value, dtype, lanes // 2, lanes // 2)
    return _reduce_halves(frame, op, binary(frame, op, low, high, half), half)


def _part(frame: Frame, value: Operand, dtype: DType, first: int, count: int) -> Operand:
    kind = register_type(dtype)
    if count == 1:
        return frame.out.pure(f"extractelement {kind} {value}, i64 {first}", "lane")
    places = ", ".join(f"i32 {lane}" for lane in range(first, first + count))
    return frame.out.pure(f"shufflevector {kind} {value}, {kind} poison, <{count} x i32> <{places}>", "part")


def _prefetch(frame: Frame, expr: Intrin) -> Operand:
    pointer = _pointer(frame, expr)
    # Into the second cache: what is in use now would have to leave the first one.
    frame.out.do(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 2, i32 1)")
    return 0


def _address(frame: Frame, expr: Intrin) -> Operand:
    return _pointer(frame, expr)


def _pointer(frame: Frame, expr: Intrin) -> str:
    load = expr.args[0]
    if not isinstance(load, Load) or load.dtype.lanes != 1:
        fail("TND-B004", f"'{expr.name}' takes the load of one element", span=expr.span)
    return address(frame, load.buffer, load.indices)[0]


def _llvm_type(dtype: DType) -> str:
    if dtype.kind == "bfloat" or (dtype.kind == "float" and dtype.bits == 16):
        word = "bfloat" if dtype.kind == "bfloat" else "half"
        return word if dtype.lanes == 1 else f"<{dtype.lanes} x {word}>"
    return register_type(dtype)


def _llvm(frame: Frame, expr: Intrin) -> Operand:
    args = [_llvm_argument(frame, arg) for arg in expr.args]
    void = expr.dtype.kind == "handle"
    result = "void" if void else _llvm_type(expr.dtype)
    text = f"call {result} @{expr.name}({', '.join(f'{kind} {value}' for kind, value in args)})"
    if void:
        frame.out.do(text)
        return "null"
    value = frame.out.value(text, "llvm")
    wanted = register_type(expr.dtype)
    return value if wanted == result else frame.out.pure(f"bitcast {result} {value} to {wanted}", "bits")


def _llvm_argument(frame: Frame, arg: Expr) -> tuple[str, Operand]:
    value = frame.value(arg)
    kind, carried = _llvm_type(arg.dtype), register_type(arg.dtype)
    return kind, value if kind == carried else frame.out.pure(f"bitcast {carried} {value} to {kind}", "bits")


_SPECIAL: Final[dict[str, Callable[[Frame, Intrin], Operand]]] = {
    "isnan": _classify,
    "isinf": _classify,
    "popcount": _popcount,
    "reinterpret": _reinterpret,
    "prefetch": _prefetch,
    "address": _address,
}
