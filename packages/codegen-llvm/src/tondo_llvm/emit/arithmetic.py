"""Binary and unary operations on register values.

Operations of literals are folded, for the indices of unrolled loops. Float additions, subtractions and
multiplications may be contracted to fused ones.
"""

from __future__ import annotations

from typing import Final

from tondo.diagnostics import fail
from tondo.ir import DType
from tondo.ir.expr import BinaryOp, UnaryOp
from tondo_llvm.emit.basic import choose, compare, is_literal, literal_number, number, overloaded
from tondo_llvm.emit.division import divide, float_floordiv, float_floormod
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.mathcall import call_math
from tondo_llvm.emit.smallfloat import narrow, widen
from tondo_llvm.emit.types import Operand, is_small_float, literal, register_type, wrap

_INT: Final = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}
_FLOAT: Final = {"add": "fadd contract", "sub": "fsub contract", "mul": "fmul contract", "div": "fdiv"}
_DIVISIONS: Final = frozenset({"div", "floordiv", "floormod", "truncdiv", "truncmod"})


def binary(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Return ``op(a, b)`` of register values of ``dtype``."""
    if is_small_float(dtype):
        wide = DType("float", 32, dtype.lanes)
        return narrow(frame, binary(frame, op, widen(frame, a, dtype), widen(frame, b, dtype), wide), dtype)
    if dtype.is_float:
        return _float_binary(frame, op, a, b, dtype)
    if isinstance(a, int) or isinstance(b, int):
        folded = _fold(op, a, b, dtype)
        if folded is not None:
            return folded
    kind = register_type(dtype)
    if op in _INT and not (dtype.is_bool and op in {"add", "sub", "mul"}):
        return frame.out.pure(f"{_INT[op]} {kind} {a}, {b}", op)
    if dtype.is_bool:
        return _bool_binary(frame, op, a, b, dtype)
    if op in {"min", "max"}:
        name = f"{'s' if dtype.kind == 'int' else 'u'}{op}"
        return overloaded(frame, name, dtype, a, b)
    if op in _DIVISIONS:
        return divide(frame, op, a, b, dtype)
    if op in {"shl", "shr"}:
        return _shift(frame, op, a, b, dtype)
    return _integer_power(frame, a, b, dtype)


def unary(frame: Frame, op: UnaryOp, a: Operand, dtype: DType) -> Operand:
    """Return ``op(a)``."""
    kind = register_type(dtype)
    if op == "neg" and is_small_float(dtype):
        sign = literal_bits(1 << (dtype.bits - 1), dtype)
        return frame.out.pure(f"xor {kind} {a}, {sign}", "neg")
    if op == "neg" and dtype.is_float:
        return frame.out.pure(f"fneg {kind} {a}", "neg")
    if op == "neg" and not dtype.is_bool:
        return binary(frame, "sub", literal(0, dtype), a, dtype)
    return binary(frame, "xor", a, literal(1 if dtype.is_bool else -1, dtype), dtype)


def literal_bits(bits: int, dtype: DType) -> Operand:
    """Return the literal with the pattern ``bits`` in each lane of a type that is carried as an integer."""
    return literal(bits, DType("int", dtype.bits, dtype.lanes))


def _fold(op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand | None:
    """Constants and neutral elements, for the indices of unrolled loops."""
    if dtype.is_bool:
        if op in {"and", "or"}:
            known, other = (a, b) if isinstance(a, int) else (b, a)
            return other if bool(known) == (op == "and") else known
        return None
    if isinstance(a, int) and isinstance(b, int):
        value = fold_numbers(op, number(a, dtype), number(b, dtype))
        return None if value is None else wrap(value, dtype.bits)
    if (op in {"add", "sub", "or", "xor", "shl", "shr"} and b == 0) or (
        op in {"mul", "floordiv", "truncdiv"} and b == 1
    ):
        return a
    if (op in {"add", "or", "xor"} and a == 0) or (op == "mul" and a == 1):
        return b
    if (op == "mul" and 0 in (a, b)) or (op in {"floormod", "truncmod"} and b == 1):
        return 0
    return None


def fold_numbers(op: BinaryOp, a: int, b: int) -> int | None:
    """Return ``op`` of two integers as mathematics has it; None where it is not folded."""
    match op:
        case "add":
            value = a + b
        case "sub":
            value = a - b
        case "mul":
            value = a * b
        case "min":
            value = min(a, b)
        case "max":
            value = max(a, b)
        case "floordiv" if b:
            value = a // b
        case "floormod" if b:
            value = a % b
        case "and":
            value = a & b
        case "or":
            value = a | b
        case _:
            return None
    return value


def _bool_binary(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    word = {"min": "and", "mul": "and", "max": "or", "add": "or", "sub": "xor"}.get(op)
    if word is None:
        fail("TND-B004", f"'{op}' is not defined for bool")
    return frame.out.pure(f"{word} {register_type(dtype)} {a}, {b}", op)


def _float_binary(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    kind = register_type(dtype)
    if op in _FLOAT:
        return frame.out.pure(f"{_FLOAT[op]} {kind} {a}, {b}", op)
    match op:
        case "min" | "max":
            first = compare(frame, "lt" if op == "min" else "gt", a, b, dtype)
            return choose(frame, first, a, b, dtype)
        case "pow":
            return call_math(frame, "pow", (a, b), dtype)
        case "truncdiv":
            return overloaded(frame, "trunc", dtype, binary(frame, "div", a, b, dtype))
        case "truncmod":
            return call_math(frame, "fmod", (a, b), dtype)
        case "floormod":
            return float_floormod(frame, a, b, dtype)
        case "floordiv":
            return float_floordiv(frame, a, b, dtype)
        case _:
            return fail("TND-B004", f"'{op}' is not defined for {dtype}")


def _shift(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Shift by any amount: bits that leave are lost, also all of them."""
    pure, kind, bits = frame.out.pure, register_type(dtype), dtype.bits
    arithmetic = op == "shr" and dtype.kind == "int"
    word = "shl" if op == "shl" else "ashr" if arithmetic else "lshr"
    if is_literal(b) and 0 <= literal_number(b) < bits:
        return pure(f"{word} {kind} {a}, {b}", op)
    unsigned = DType("uint", bits, dtype.lanes)
    inside = compare(frame, "lt", b, literal(bits, unsigned), unsigned)
    amount = choose(frame, inside, b, literal(bits - 1, dtype), dtype)
    shifted = pure(f"{word} {kind} {a}, {amount}", op)
    return shifted if arithmetic else choose(frame, inside, shifted, literal(0, dtype), dtype)


def _integer_power(frame: Frame, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Wrapping power by squaring, lane by lane; negative exponents give 0, of base 1 they give 1."""
    kind, element = register_type(dtype), register_type(dtype.element)
    if dtype.lanes == 1:
        return frame.out.pure(f"call {kind} {_power_helper(frame, dtype)}({kind} {a}, {kind} {b})", "pow")
    result: Operand = "poison"
    for lane in range(dtype.lanes):
        base = frame.out.pure(f"extractelement {kind} {a}, i64 {lane}", "base")
        exponent = frame.out.pure(f"extractelement {kind} {b}, i64 {lane}", "exponent")
        value = _integer_power(frame, base, exponent, dtype.element)
        result = frame.out.pure(f"insertelement {kind} {result}, {element} {value}, i64 {lane}", "pow")
    return result


def _power_helper(frame: Frame, dtype: DType) -> str:
    kind = register_type(dtype)
    name = f"tondo.pow.{dtype}"
    if not frame.module.has(name):
        signed = dtype.kind == "int"
        half = f"{'ashr' if signed else 'lshr'} {kind} %n, 1"
        frame.module.define(
            name,
            f"""\
define internal {kind} @{name}({kind} %base, {kind} %exponent) #0 {{
entry:
  %negative = icmp {"slt" if signed else "ult"} {kind} %exponent, 0
  br i1 %negative, label %inverse, label %loop
inverse:
  %one = icmp eq {kind} %base, 1
  %inverted = zext i1 %one to {kind}
  ret {kind} %inverted
loop:
  %n = phi {kind} [ %exponent, %entry ], [ %n.next, %loop.next ]
  %x = phi {kind} [ %base, %entry ], [ %x.next, %loop.next ]
  %r = phi {kind} [ 1, %entry ], [ %r.next, %loop.next ]
  %more = icmp ne {kind} %n, 0
  br i1 %more, label %loop.next, label %done
loop.next:
  %bit = and {kind} %n, 1
  %odd = icmp ne {kind} %bit, 0
  %times = mul {kind} %r, %x
  %r.next = select i1 %odd, {kind} %times, {kind} %r
  %x.next = mul {kind} %x, %x
  %n.next = {half}
  br label %loop
done:
  ret {kind} %r
}}
""",
        )
    return f"@{name}"
