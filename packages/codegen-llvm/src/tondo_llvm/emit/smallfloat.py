"""Floats narrower than 32 bits, carried as integers of their bits: conversion from and to float32.

Where the target converts float16 and bfloat16 itself its instructions are used; everything else, including the 8-bit
formats, is integer arithmetic: exact widening by one multiplication, narrowing that rounds halves to even. Values that
are too large become infinite, NaN in formats without infinity, the largest number in formats without either.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from tondo.ir import DType
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.types import Operand, literal, register_type

_F32_MANTISSA: Final = 23
_F32_BIAS: Final = 127
_F32_INFINITY: Final = 0x7F800000


@dataclass(frozen=True, slots=True)
class _Format:
    exponent: int
    mantissa: int
    bias: int
    infinity: int | None  # magnitude bits of infinity; every magnitude above is NaN
    largest: int  # magnitude bits of the largest finite value
    nan: int  # bits of the NaN that narrowing makes (without sign)
    unsigned_zero: bool = False  # the pattern of minus zero is the only NaN
    saturates: bool = False  # what is too large becomes the largest finite value


_FORMATS: Final = {
    "float16": _Format(5, 10, 15, 0x7C00, 0x7BFF, 0x7E00),
    "bfloat16": _Format(8, 7, 127, 0x7F80, 0x7F7F, 0x7FC0),
    "float8_e5m2": _Format(5, 2, 15, 0x7C, 0x7B, 0x7E),
    "float8_e4m3fn": _Format(4, 3, 7, None, 0x7E, 0x7F),
    "float8_e5m2fnuz": _Format(5, 2, 16, None, 0x7F, 0x80, unsigned_zero=True),
    "float8_e4m3fnuz": _Format(4, 3, 8, None, 0x7F, 0x80, unsigned_zero=True),
    "float4_e2m1fn": _Format(2, 1, 1, None, 0x7, 0x0, saturates=True),
}
_POWERS: Final = "float8_e8m0fnu"
_POWERS_NAN: Final = 0xFF

_HALF_FEATURES: Final = frozenset({"f16c", "avx512f", "avx512fp16", "neon", "fullfp16"})
_BFLOAT_FEATURES: Final = frozenset({"avx512bf16", "avxneconvert"})


def widen(frame: Frame, value: Operand, dtype: DType) -> Operand:
    """Return the float32 of a small float."""
    name = str(dtype.element)
    single = register_type(DType("float", 32, dtype.lanes))
    bits = register_type(dtype)
    out = frame.out
    if name == "float16" and _converts_half(frame):
        half = _vector("half", dtype.lanes)
        raw = out.pure(f"bitcast {bits} {value} to {half}", "half")
        return out.pure(f"fpext {half} {raw} to {single}", "wide")
    word = register_type(DType("int", 32, dtype.lanes))
    wide = out.pure(f"zext {bits} {value} to {word}", "bits")
    if name == _POWERS:
        return _widen_power(frame, wide, dtype)
    if name == "bfloat16":
        shifted = out.pure(f"shl {word} {wide}, {_word(16, dtype)}", "bits")
        return out.pure(f"bitcast {word} {shifted} to {single}", "wide")
    return _widen_soft(frame, wide, dtype, _FORMATS[name])


def narrow(frame: Frame, value: Operand, dtype: DType) -> Operand:
    """Return the small float of ``dtype`` nearest to a float32."""
    name = str(dtype.element)
    single = register_type(DType("float", 32, dtype.lanes))
    bits = register_type(dtype)
    hardware = None
    if name == "float16" and _converts_half(frame):
        hardware = _vector("half", dtype.lanes)
    elif name == "bfloat16" and _BFLOAT_FEATURES & frame.unit.target.features:
        hardware = _vector("bfloat", dtype.lanes)
    if hardware is not None:
        raw = frame.out.pure(f"fptrunc {single} {value} to {hardware}", "narrow")
        return frame.out.pure(f"bitcast {hardware} {raw} to {bits}", "bits")
    if name == _POWERS:
        return _narrow_power(frame, value, dtype)
    return _narrow_soft(frame, value, dtype, _FORMATS[name])


def _widen_power(frame: Frame, wide: Operand, dtype: DType) -> Operand:
    """Return the float32 of a power of two: its exponent; the smallest is a subnormal number, all ones are NaN."""
    pure = frame.out.pure
    word, single = register_type(DType("int", 32, dtype.lanes)), register_type(DType("float", 32, dtype.lanes))
    placed = pure(f"shl {word} {wide}, {_word(_F32_MANTISSA, dtype)}", "placed")
    smallest = pure(f"icmp eq {word} {wide}, {_word(0, dtype)}", "smallest")
    finite = _select(frame, smallest, _word(1 << (_F32_MANTISSA - 1), dtype), placed, dtype)
    nan = pure(f"icmp eq {word} {wide}, {_word(_POWERS_NAN, dtype)}", "isnan")
    bits = _select(frame, nan, _word(0x7FC00000, dtype), finite, dtype)
    return pure(f"bitcast {word} {bits} to {single}", "wide")


def _narrow_power(frame: Frame, value: Operand, dtype: DType) -> Operand:
    """Return the nearest power of two, halves upward; zero, negative numbers, infinity and NaN become NaN."""
    pure = frame.out.pure
    word, single = register_type(DType("int", 32, dtype.lanes)), register_type(DType("float", 32, dtype.lanes))
    raw = pure(f"bitcast {single} {value} to {word}", "bits")
    subnormal = pure(f"icmp ult {word} {raw}, {_word(1 << _F32_MANTISSA, dtype)}", "subnormal")
    # A subnormal number is 2**-127 or 2**-126: the half between them lies at a quarter of the exponent's step.
    half = _select(
        frame, subnormal, _word(1 << (_F32_MANTISSA - 2), dtype), _word(1 << (_F32_MANTISSA - 1), dtype), dtype
    )
    sum_ = pure(f"add {word} {raw}, {half}", "rounded")
    power = pure(f"lshr {word} {sum_}, {_word(_F32_MANTISSA, dtype)}", "power")
    large = pure(f"icmp ugt {word} {power}, {_word(_POWERS_NAN, dtype)}", "large")
    none = pure(f"icmp eq {word} {raw}, {_word(0, dtype)}", "iszero")
    known = _select(frame, large, _word(_POWERS_NAN, dtype), power, dtype)
    result = _select(frame, none, _word(_POWERS_NAN, dtype), known, dtype)
    return pure(f"trunc {word} {result} to {register_type(dtype)}", "narrow")


def _converts_half(frame: Frame) -> bool:
    return bool(_HALF_FEATURES & frame.unit.target.features)


def _vector(element: str, lanes: int) -> str:
    return element if lanes == 1 else f"<{lanes} x {element}>"


def _word(value: int, dtype: DType) -> Operand:
    return literal(value, DType("int", 32, dtype.lanes))


def _single_bits(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def _widen_soft(frame: Frame, wide: Operand, dtype: DType, form: _Format) -> Operand:
    pure = frame.out.pure
    word = register_type(DType("int", 32, dtype.lanes))
    single = register_type(DType("float", 32, dtype.lanes))
    width = form.exponent + form.mantissa
    shift = _F32_MANTISSA - form.mantissa
    magnitude = pure(f"and {word} {wide}, {_word((1 << width) - 1, dtype)}", "magnitude")
    placed = pure(f"shl {word} {magnitude}, {_word(shift, dtype)}", "placed")
    small = pure(f"bitcast {word} {placed} to {single}", "small")
    # The exponent is off by the difference of the biases; a multiplication also makes subnormals right.
    factor = literal(2.0 ** (_F32_BIAS - form.bias), DType("float", 32, dtype.lanes))
    scaled = pure(f"fmul {single} {small}, {factor}", "scaled")
    finite = pure(f"bitcast {single} {scaled} to {word}", "finite")
    if form.unsigned_zero:
        special = pure(f"icmp eq {word} {wide}, {_word(1 << width, dtype)}", "isnan")
        above = _word(0x7FC00000, dtype)
    else:
        special = pure(f"icmp ugt {word} {magnitude}, {_word(form.largest, dtype)}", "special")
        rest = pure(f"or {word} {placed}, {_word(_F32_INFINITY, dtype)}", "special")
        above = rest if form.infinity is not None else _word(0x7FC00000, dtype)
    chosen = _select(frame, special, above, finite, dtype)
    sign = pure(f"and {word} {wide}, {_word(1 << width, dtype)}", "sign")
    high = pure(f"shl {word} {sign}, {_word(31 - width, dtype)}", "sign")
    both = pure(f"or {word} {chosen}, {high}", "bits")
    return pure(f"bitcast {word} {both} to {single}", "wide")


def _narrow_soft(frame: Frame, value: Operand, dtype: DType, form: _Format) -> Operand:
    pure = frame.out.pure
    word = register_type(DType("int", 32, dtype.lanes))
    single = register_type(DType("float", 32, dtype.lanes))
    width = form.exponent + form.mantissa
    shift = _F32_MANTISSA - form.mantissa
    raw = pure(f"bitcast {single} {value} to {word}", "bits")
    magnitude = pure(f"and {word} {raw}, {_word(0x7FFFFFFF, dtype)}", "magnitude")
    # Halves to even: add half of the last place less one, plus the bit that would become the last.
    odd = pure(
        f"and {word} {pure(f'lshr {word} {magnitude}, {_word(shift, dtype)}', 'kept')}, {_word(1, dtype)}", "odd"
    )
    rounded = pure(
        f"add {word} {pure(f'add {word} {magnitude}, {_word((1 << (shift - 1)) - 1, dtype)}', 'up')}, {odd}", "up"
    )
    kept = pure(f"lshr {word} {rounded}, {_word(shift, dtype)}", "kept")
    normal = pure(f"sub {word} {kept}, {_word((_F32_BIAS - form.bias) << form.mantissa, dtype)}", "normal")
    result = normal
    if form.bias != _F32_BIAS:
        # Below the smallest normal number the adder itself rounds at the right place.
        place = 2.0 ** (1 - form.bias - form.mantissa + _F32_MANTISSA)
        magic = literal(place, DType("float", 32, dtype.lanes))
        absolute = pure(f"bitcast {word} {magnitude} to {single}", "abs")
        moved = pure(f"bitcast {single} {pure(f'fadd {single} {absolute}, {magic}', 'moved')} to {word}", "moved")
        tiny = pure(f"sub {word} {moved}, {_word(_single_bits(place), dtype)}", "subnormal")
        limit = _word(_single_bits(2.0 ** (1 - form.bias)), dtype)
        result = _select(frame, pure(f"icmp ult {word} {magnitude}, {limit}", "below"), tiny, normal, dtype)
    overflow = form.largest if form.saturates else form.infinity if form.infinity is not None else form.nan
    past = _largest_bits(form)
    large = pure(f"icmp ugt {word} {rounded}, {_word(past, dtype)}", "large")
    result = _select(frame, large, _word(overflow, dtype), result, dtype)
    nan = pure(f"icmp ugt {word} {magnitude}, {_word(_F32_INFINITY, dtype)}", "isnan")
    result = _select(frame, nan, _word(form.nan, dtype), result, dtype)
    sign = pure(
        f"and {word} {pure(f'lshr {word} {raw}, {_word(31 - width, dtype)}', 'sign')}, {_word(1 << width, dtype)}",
        "sign",
    )
    signed = pure(f"or {word} {result}, {sign}", "signed")
    if form.unsigned_zero:
        signed = _select(
            frame, pure(f"icmp eq {word} {result}, {_word(0, dtype)}", "iszero"), _word(0, dtype), signed, dtype
        )
    return pure(f"trunc {word} {signed} to {register_type(dtype)}", "narrow")


def _largest_bits(form: _Format) -> int:
    """Return the float32 bits below which a rounded magnitude (not yet shifted) is still finite in ``form``."""
    shift = _F32_MANTISSA - form.mantissa
    rebased = form.largest + ((_F32_BIAS - form.bias) << form.mantissa)
    return (rebased << shift) | ((1 << shift) - 1)


def _select(frame: Frame, condition: Operand, a: Operand, b: Operand, dtype: DType) -> str:
    word = register_type(DType("int", 32, dtype.lanes))
    flag = register_type(DType("bool", 8, dtype.lanes))
    return frame.out.pure(f"select {flag} {condition}, {word} {a}, {word} {b}", "chosen")
