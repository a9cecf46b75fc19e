"""Bit patterns: elements seen as another type of the same width; the exponents of numbers as a type of their own."""

from __future__ import annotations

from tondo.ir import (
    FLOAT32,
    UINT8,
    Binary,
    DType,
    Expr,
    OpCall,
    Operator,
    TensorType,
    const,
    dtype,
    intrin,
    logical_and,
    logical_or,
    select,
)
from tondo_ops.elementwise.build import unary
from tondo_ops.support.attributes import choice, element_type, flag, refuse
from tondo_ops.support.typing import want_numeric

_WORD = dtype("uint32")
_EXPONENT = dtype("float8_e8m0fnu")
_MANTISSA_BITS = 23
_HALF = 1 << (_MANTISSA_BITS - 1)
_LARGEST, _NAN = 0xFE, 0xFF


def _target(call: OpCall) -> DType:
    return element_type(call, "dtype")


def _same_width(call: OpCall, value: TensorType) -> None:
    target = _target(call)
    if "handle" in {value.dtype.kind, target.kind} or value.dtype.bits != target.bits:
        refuse(call, f"{value.dtype} and {target} have different widths")


def _reinterpret(call: OpCall, x: Expr) -> Expr:
    target = _target(call)
    if x.dtype == target:
        return x
    byte = x.astype(UINT8) if x.dtype.is_bool else x
    if target.is_bool:
        return intrin("reinterpret", byte, dtype=UINT8).ne(const(0, UINT8)) if byte.dtype != UINT8 else byte.ne(0)
    return byte if byte.dtype == target else intrin("reinterpret", byte, dtype=target)


def _power(call: OpCall, x: Expr) -> Expr:
    """Return the exponent of ``x`` as float32 holds it, rounded by its mantissa; the sign is ignored."""
    rounding = choice(call, "rounding", ("up", "down", "nearest"), "up")
    bits = intrin("reinterpret", x.astype(FLOAT32), dtype=_WORD)
    exponent = Binary("and", Binary("shr", bits, const(_MANTISSA_BITS, _WORD)), const(_NAN, _WORD))
    mantissa = Binary("and", bits, const((1 << _MANTISSA_BITS) - 1, _WORD))
    zero, one = const(0, _WORD), const(1, _WORD)
    match rounding:
        case "up":
            further = mantissa > zero
        case "nearest":
            tie = logical_and(mantissa.eq(const(_HALF, _WORD)), exponent > zero)
            further = logical_or(tie, mantissa > const(_HALF, _WORD))
        case _:
            further = const(value=False)
    last = const(_LARGEST if flag(call, "saturate", default=True) else _NAN, _WORD)
    rounded = exponent + select(further, one, zero)
    inside = select(rounded > last, last, rounded)
    pattern = select(exponent.eq(const(_NAN, _WORD)), const(_NAN, _WORD), inside)
    return intrin("reinterpret", pattern.astype(UINT8), dtype=_EXPONENT)


OPERATORS: tuple[Operator, ...] = (
    unary("reinterpret", _reinterpret, _same_width, "the same bits as another dtype of the same width", _target),
    unary("cast_exponent", _power, want_numeric, "the power of two of a number", lambda _call: _EXPONENT),
)
