"""Binary and unary operations and comparisons on register values.

Division of integers is total: by zero it gives 0 (quotient and remainder), and the smallest number divided by -1
wraps, so no input can trap. Float additions, subtractions and multiplications may be contracted to fused ones.
"""

from __future__ import annotations

from typing import Final

from tondo.diagnostics import fail
from tondo.ir import DType
from tondo.ir.expr import BinaryOp, CompareOp, UnaryOp
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.mathcall import call_math
from tondo_llvm.emit.smallfloat import narrow, widen
from tondo_llvm.emit.types import Operand, is_small_float, literal, register_type, wrap

_INT: Final = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}
_FLOAT: Final = {"add": "fadd contract", "sub": "fsub contract", "mul": "fmul contract", "div": "fdiv"}
_COMPARE_FLOAT: Final = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
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
        return _intrinsic(frame, name, dtype, a, b)
    if op in _DIVISIONS:
        return _divide(frame, op, a, b, dtype)
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


def compare(frame: Frame, op: CompareOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Return the comparison of two values of ``dtype``."""
    if is_small_float(dtype):
        a, b, dtype = widen(frame, a, dtype), widen(frame, b, dtype), DType("float", 32, dtype.lanes)
    kind = register_type(dtype)
    if dtype.is_float:
        return frame.out.pure(f"fcmp {_COMPARE_FLOAT[op]} {kind} {a}, {b}", op)
    if isinstance(a, int) and isinstance(b, int):
        left, right = _number(a, dtype), _number(b, dtype)
        order = {"eq": left == right, "ne": left != right, "lt": left < right, "le": left <= right}
        return int(order[op] if op in order else left > right if op == "gt" else left >= right)
    if op in {"eq", "ne"}:
        return frame.out.pure(f"icmp {op} {kind} {a}, {b}", op)
    sign = "s" if dtype.kind == "int" else "u"
    return frame.out.pure(f"icmp {sign}{op} {kind} {a}, {b}", op)


def choose(frame: Frame, condition: Operand, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Return ``a`` where ``condition`` (bool of as many lanes) holds, else ``b``."""
    if a == b:
        return a
    if isinstance(condition, int):
        return a if condition else b
    kind, flag = register_type(dtype), register_type(DType("bool", 8, dtype.lanes))
    return frame.out.pure(f"select {flag} {condition}, {kind} {a}, {kind} {b}", "select")


def literal_bits(bits: int, dtype: DType) -> Operand:
    """Return the literal with the pattern ``bits`` in each lane of a type that is carried as an integer."""
    return literal(bits, DType("int", dtype.bits, dtype.lanes))


def _number(value: int, dtype: DType) -> int:
    return value % (1 << dtype.bits) if dtype.kind == "uint" or dtype.is_bool else value


def _fold(op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand | None:
    """Constants and neutral elements, for the indices of unrolled loops."""
    if dtype.is_bool:
        if op in {"and", "or"}:
            known, other = (a, b) if isinstance(a, int) else (b, a)
            return other if bool(known) == (op == "and") else known
        return None
    if isinstance(a, int) and isinstance(b, int):
        value = fold_numbers(op, _number(a, dtype), _number(b, dtype))
        return None if value is None else wrap(value, dtype.bits)
    if (op in {"add", "sub", "or", "xor", "shl", "shr"} and b == 0) or (op in {"mul", "floordiv", "truncdiv"} and b == 1):
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
            return _intrinsic(frame, "trunc", dtype, binary(frame, "div", a, b, dtype))
        case "truncmod":
            return call_math(frame, "fmod", (a, b), dtype)
        case "floormod":
            return _float_floormod(frame, a, b, dtype)
        case "floordiv":
            return _float_floordiv(frame, a, b, dtype)
        case _:
            fail("TND-B004", f"'{op}' is not defined for {dtype}")


def _float_floormod(frame: Frame, a: Operand, b: Operand, dtype: DType) -> Operand:
    """The remainder with the divisor's sign: C's remainder, moved by one divisor where the signs differ."""
    zero = literal(0.0, dtype)
    rest = call_math(frame, "fmod", (a, b), dtype)
    flag = register_type(DType("bool", 8, dtype.lanes))
    below = compare(frame, "lt", rest, zero, dtype)
    differ = frame.out.pure(f"xor {flag} {below}, {compare(frame, 'lt', b, zero, dtype)}", "differ")
    move = frame.out.pure(f"and {flag} {differ}, {compare(frame, 'ne', rest, zero, dtype)}", "move")
    return choose(frame, move, binary(frame, "add", rest, b, dtype), rest, dtype)


def _float_floordiv(frame: Frame, a: Operand, b: Operand, dtype: DType) -> Operand:
    """The quotient that belongs to the floor remainder; rounding it removes the division's own error."""
    rest = _float_floormod(frame, a, b, dtype)
    whole = frame.out.pure(f"fsub {register_type(dtype)} {a}, {rest}", "whole")
    rounded = _intrinsic(frame, "rint", dtype, binary(frame, "div", whole, b, dtype))
    by_zero = compare(frame, "eq", b, literal(0.0, dtype), dtype)
    return choose(frame, by_zero, binary(frame, "div", a, b, dtype), rounded, dtype)


def _intrinsic(frame: Frame, name: str, dtype: DType, *args: Operand) -> str:
    kind = register_type(dtype)
    full = f"llvm.{name}.{suffix(dtype)}"
    return frame.out.pure(f"call {kind} @{full}({', '.join(f'{kind} {arg}' for arg in args)})", name)


def suffix(dtype: DType) -> str:
    """Return the type suffix of overloaded LLVM intrinsics: ``f32``, ``v8i16``, ``i1``."""
    bits = 1 if dtype.is_bool else dtype.bits
    scalar = f"f{bits}" if dtype.is_float and dtype.bits >= 32 else f"i{bits}"
    return scalar if dtype.lanes == 1 else f"v{dtype.lanes}{scalar}"


def _power_of_two(value: Operand) -> int | None:
    """Return the exponent of a literal divisor that is a power of two."""
    if isinstance(value, str):
        if not value.startswith("splat"):
            return None
        value = int(value.removesuffix(")").rpartition(" ")[2])
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def _is_literal(value: Operand) -> bool:
    return isinstance(value, int) or value.startswith("splat")


def _divide(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    pure, kind, signed = frame.out.pure, register_type(dtype), dtype.kind == "int"
    shift = _power_of_two(b)
    if shift is not None and (op in {"floordiv", "floormod"} or not signed):
        if op in {"floormod", "truncmod"}:
            return pure(f"and {kind} {a}, {literal((1 << shift) - 1, dtype)}", "mod")
        return pure(f"{'ashr' if signed else 'lshr'} {kind} {a}, {literal(shift, dtype)}", "div")
    if _is_literal(b) and _literal_number(b) not in {0, -1}:
        return _divide_plain(frame, op, a, b, dtype)
    flag = register_type(DType("bool", 8, dtype.lanes))
    zero = literal(0, dtype)
    by_zero = compare(frame, "eq", b, zero, dtype)
    unsafe, inverse = by_zero, 0
    if signed:
        inverse = compare(frame, "eq", b, literal(-1, dtype), dtype)
        unsafe = pure(f"or {flag} {by_zero}, {inverse}", "unsafe") if isinstance(by_zero, str) else by_zero or inverse
    safe = choose(frame, unsafe, literal(1, dtype), b, dtype)
    result = _divide_plain(frame, op, a, safe, dtype)
    if op in {"floormod", "truncmod"}:
        return choose(frame, unsafe, zero, result, dtype) if signed else choose(frame, by_zero, zero, result, dtype)
    if signed:
        result = choose(frame, inverse, binary(frame, "sub", zero, a, dtype), result, dtype)
    return choose(frame, by_zero, zero, result, dtype)


def _literal_number(value: Operand) -> int:
    return value if isinstance(value, int) else int(value.removesuffix(")").rpartition(" ")[2])


def _divide_plain(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Divide by something that is neither zero nor minus one."""
    pure, kind, signed = frame.out.pure, register_type(dtype), dtype.kind == "int"
    sign = "s" if signed else "u"
    if op in {"div", "truncdiv"} or (op == "floordiv" and not signed):
        return pure(f"{sign}div {kind} {a}, {b}", "div")
    rest = pure(f"{sign}rem {kind} {a}, {b}", "rem")
    if op == "truncmod" or not signed:
        return rest
    # Round down: where the remainder is not zero and its sign differs from the divisor's.
    flag = register_type(DType("bool", 8, dtype.lanes))
    zero = literal(0, dtype)
    mixed = compare(frame, "lt", pure(f"xor {kind} {rest}, {b}", "signs"), zero, dtype)
    inexact = compare(frame, "ne", rest, zero, dtype)
    move = pure(f"and {flag} {mixed}, {inexact}", "move")
    if op == "floormod":
        return choose(frame, move, pure(f"add {kind} {rest}, {b}", "moved"), rest, dtype)
    quotient = pure(f"sdiv {kind} {a}, {b}", "div")
    return choose(frame, move, pure(f"add {kind} {quotient}, {literal(-1, dtype)}", "moved"), quotient, dtype)


def _shift(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Shift by any amount: bits that leave are lost, also all of them."""
    pure, kind, bits = frame.out.pure, register_type(dtype), dtype.bits
    arithmetic = op == "shr" and dtype.kind == "int"
    word = "shl" if op == "shl" else "ashr" if arithmetic else "lshr"
    if _is_literal(b) and 0 <= _literal_number(b) < bits:
        return pure(f"{word} {kind} {a}, {b}", op)
    unsigned = DType("uint", bits, dtype.lanes)
    inside = compare(frame, "lt", b, literal(bits, unsigned), unsigned)
    amount = choose(frame, inside, b, literal(bits - 1, dtype), dtype)
    shifted = pure(f"{word} {kind} {a}, {amount}", op)
    return shifted if arithmetic else choose(frame, inside, shifted, literal(0, dtype), dtype)


def _integer_power(frame: Frame, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Wrapping power by squaring, lane by lane; negative exponents give 0, of base 1 they give 1."""
    if dtype.lanes == 1:
        return frame.out.pure(f"call {register_type(dtype)} {_power_helper(frame, dtype)}({register_type(dtype)} {a}, {register_type(dtype)} {b})", "pow")
    kind, element = register_type(dtype), register_type(dtype.element)
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
  %negative = icmp {'slt' if signed else 'ult'} {kind} %exponent, 0
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
