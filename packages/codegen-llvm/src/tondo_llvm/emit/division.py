"""Division: total for integers, in numpy's way for floats.

An integer divided by zero gives 0 (quotient and remainder) and the smallest number divided by -1 wraps, so no input
can trap. Divisors that are powers of two become shifts and masks.
"""

from __future__ import annotations

from tondo.ir import DType
from tondo.ir.expr import BinaryOp
from tondo_llvm.emit.basic import choose, compare, is_literal, literal_number, overloaded
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.mathcall import call_math
from tondo_llvm.emit.types import Operand, literal, register_type


def divide(frame: Frame, op: BinaryOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Return a quotient or remainder of integers."""
    pure, kind, signed = frame.out.pure, register_type(dtype), dtype.kind == "int"
    shift = _power_of_two(b)
    if shift is not None and (op in {"floordiv", "floormod"} or not signed):
        if op in {"floormod", "truncmod"}:
            return pure(f"and {kind} {a}, {literal((1 << shift) - 1, dtype)}", "mod")
        return pure(f"{'ashr' if signed else 'lshr'} {kind} {a}, {literal(shift, dtype)}", "div")
    if is_literal(b) and literal_number(b) not in {0, -1}:
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
        result = choose(frame, inverse, pure(f"sub {kind} {zero}, {a}", "inverse"), result, dtype)
    return choose(frame, by_zero, zero, result, dtype)


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


def float_floormod(frame: Frame, a: Operand, b: Operand, dtype: DType) -> Operand:
    """The remainder with the divisor's sign: C's remainder, moved by one divisor where the signs differ."""
    zero = literal(0.0, dtype)
    rest = call_math(frame, "fmod", (a, b), dtype)
    flag = register_type(DType("bool", 8, dtype.lanes))
    below = compare(frame, "lt", rest, zero, dtype)
    differ = frame.out.pure(f"xor {flag} {below}, {compare(frame, 'lt', b, zero, dtype)}", "differ")
    move = frame.out.pure(f"and {flag} {differ}, {compare(frame, 'ne', rest, zero, dtype)}", "move")
    return choose(frame, move, frame.out.pure(f"fadd {register_type(dtype)} {rest}, {b}", "moved"), rest, dtype)


def float_floordiv(frame: Frame, a: Operand, b: Operand, dtype: DType) -> Operand:
    """The quotient that belongs to the floor remainder; rounding it removes the division's own error."""
    rest = float_floormod(frame, a, b, dtype)
    kind = register_type(dtype)
    whole = frame.out.pure(f"fsub {kind} {a}, {rest}", "whole")
    rounded = overloaded(frame, "rint", dtype, frame.out.pure(f"fdiv {kind} {whole}, {b}", "quotient"))
    by_zero = compare(frame, "eq", b, literal(0.0, dtype), dtype)
    return choose(frame, by_zero, frame.out.pure(f"fdiv {kind} {a}, {b}", "quotient"), rounded, dtype)


def _power_of_two(value: Operand) -> int | None:
    """Return the exponent of a literal divisor that is a power of two."""
    if isinstance(value, str):
        if not value.startswith("splat"):
            return None
        value = int(value.removesuffix(")").rpartition(" ")[2])
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None
