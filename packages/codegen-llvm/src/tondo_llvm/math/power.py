"""``x ** y`` in single precision, computed in double precision.

``2^(y log2 |x|)``: with doubles the logarithm has bits to spare for the multiplication by ``y`` (which would cost
single precision seven bits of the result), and one conversion rounds overflow, underflow and everything between.
Special cases are those of IEEE 754-2019, section 9.2.1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tondo_llvm.math.coefficients import POW_EXP2, POW_LOG2

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter

_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_EXPONENT_BIAS = 1024
_EVEN_FROM = 2.0**25  # every single-precision number from here on is an even integer


def emit_pow(e: Emitter, x: str, y: str) -> str:
    """``x ** y``."""
    magnitude, wide_y = e.cast("fpext", e.abs(x), "f32", "f64"), e.cast("fpext", y, "f32", "f64")
    value = _exp2(e, e.mul(wide_y, _log2(e, magnitude), "f64"))
    return _specials(e, x, y, wide_y, value)


def _log2(e: Emitter, x: str) -> str:
    """Double-precision ``log2`` of a positive number, minus infinity at zero, infinity at infinity.

    With ``x = 2^k m``: ``k + s p(s^2)``, ``s = (m - 1) / (m + 1)``. Shifts of signed 64-bit lanes and their conversion
    to double are slow or missing on many machines, so the exponent is made positive and put into a double's low bits.
    """
    bits = e.bits(x, "f64")
    offset = (_EXPONENT_BIAS << 52) - _SQRT_HALF_BITS
    biased = e.binary("lshr", e.binary("add", bits, e.i(offset, "i64"), "i64"), e.i(52, "i64"), "i64")
    as_double = e.unbits(e.binary("or", biased, e.i(0x4330000000000000, "i64"), "i64"), "f64")
    k = e.sub(as_double, e.f(2.0**52 + _EXPONENT_BIAS, "f64"), "f64")
    exponent = e.binary("shl", e.binary("sub", biased, e.i(_EXPONENT_BIAS, "i64"), "i64"), e.i(52, "i64"), "i64")
    m = e.unbits(e.binary("sub", bits, exponent, "i64"), "f64")
    s = e.div(e.sub(m, e.f(1.0, "f64"), "f64"), e.add(m, e.f(1.0, "f64"), "f64"), "f64")
    value = e.fma(e.polynomial(POW_LOG2, e.mul(s, s, "f64"), "f64"), s, k, "f64")
    value = e.select(e.compare("oeq", x, e.f(0.0, "f64"), "f64"), e.f(-math.inf, "f64"), value, "f64")
    return e.select(e.compare("oeq", x, e.f(math.inf, "f64"), "f64"), x, value, "f64")


def _exp2(e: Emitter, t: str) -> str:
    """``2 ** t`` of doubles, rounded once to single precision."""
    t = e.clamp(t, -160.0, 160.0, "f64")
    k, k_integer = e.nearest(t, 1.0, "f64")
    r = e.sub(t, k, "f64")
    p = e.fma(e.polynomial(POW_EXP2, r, "f64"), r, e.f(1.0, "f64"), "f64")
    return e.cast("fptrunc", e.mul(p, e.power_of_two(k_integer, "f64"), "f64"), "f64", "f32")


def _specials(e: Emitter, x: str, y: str, wide_y: str, value: str) -> str:
    even_by_size = e.compare("oge", e.abs(y), e.f(_EVEN_FROM))
    rounded, integer = e.nearest(wide_y, 1.0, "f64")
    whole = e.compare("oeq", rounded, wide_y, "f64")
    low_bit = e.integer_compare("ne", e.binary("and", integer, e.i(1, "i64"), "i64"), e.i(0, "i64"), "i64")
    odd = e.binary("and", e.binary("and", whole, low_bit, "i1"), _not(e, even_by_size), "i1")
    any_integer = e.binary("or", whole, even_by_size, "i1")

    signed = e.copysign(value, x)
    value = e.select(odd, signed, value)
    infinite_x = e.compare("oeq", e.abs(x), e.f(math.inf))
    finite_negative = e.binary("and", e.compare("olt", x, e.f(0.0)), _not(e, infinite_x), "i1")
    undefined = e.binary("and", finite_negative, _not(e, any_integer), "i1")
    unordered = e.compare("uno", x, y)
    value = e.select(e.binary("or", undefined, unordered, "i1"), e.f(math.nan), value)

    infinite_y = e.compare("oeq", e.abs(y), e.f(math.inf))
    unit = e.compare("oeq", e.abs(x), e.f(1.0))
    one = e.binary("or", e.compare("oeq", x, e.f(1.0)), e.compare("oeq", y, e.f(0.0)), "i1")
    one = e.binary("or", one, e.binary("and", unit, infinite_y, "i1"), "i1")
    return e.select(one, e.f(1.0), value)


def _not(e: Emitter, mask: str) -> str:
    return e.binary("xor", mask, e.splat("true", "i1"), "i1")
