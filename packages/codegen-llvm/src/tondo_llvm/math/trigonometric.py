"""Sine, cosine and tangent in single precision, for every finite argument.

Up to :data:`FAST_LIMIT` the multiple ``n`` of pi/2 is subtracted in three parts with fused operations (the first step
is exact), or in double precision where the target has none. Beyond, lanes are reduced one by one with Payne and Hanek's
method (*Radian reduction for trigonometric functions*, SIGNUM Newsletter 18, 1983): only those bits of 2/pi that
contribute to the quadrant and the fraction are multiplied, in 128-bit integers. Then a polynomial for each of sine and
cosine on [-pi/4, pi/4].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tondo_llvm.math.coefficients import COS, SIN
from tondo_llvm.math.emitter import float_literal

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter

FAST_LIMIT: Final = 1.0e5

_TWO_OVER_PI = 2.0 / math.pi
# pi/2 as a sum of three single-precision numbers, and of two doubles, the first with 33 significant bits.
_HALF_PI_SINGLE = (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15)
_HALF_PI_DOUBLE = (1.5707963267341256, 6.077100506506192e-11)
# The first 256 binary digits of 2/pi behind the point.
_TWO_OVER_PI_BITS = 0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561


def emit_sin(e: Emitter, x: str, symbol: str) -> str:
    """``sin(x)``."""
    s, c, n = _sine_and_cosine(e, x, symbol)
    return e.tiny_is_itself(x, _quadrant(e, s, c, n), 2.0**-12)


def emit_cos(e: Emitter, x: str, symbol: str) -> str:
    """``cos(x)``, the sine one quadrant further."""
    s, c, n = _sine_and_cosine(e, x, symbol)
    return _quadrant(e, s, c, e.binary("add", n, e.i(1), "i32"))


def emit_tan(e: Emitter, x: str, symbol: str) -> str:
    """``tan(x)``: sine over cosine, or minus cosine over sine in odd quadrants."""
    s, c, n = _sine_and_cosine(e, x, symbol)
    odd = _is_odd(e, n)
    value = e.div(e.select(odd, e.neg(c), s), e.select(odd, s, c))
    return e.tiny_is_itself(x, value, 2.0**-13)


def payne_hanek(symbol: str) -> str:
    """Text of the scalar helper of the function ``symbol``: ``{r, n}`` with ``x = n pi/2 + r``, ``r`` nan for infinity.

    ``x = m 2^q`` with a 24-bit integer ``m``. Of ``2/pi * 2^q`` only bits of weight below four matter; 126 of them
    behind the point leave an error of 2^-102 after the product with ``m``, and no single-precision number is closer
    than 2^-30 to a multiple of pi/2.
    """
    return f"""\
define internal {{ float, i32 }} @{symbol}_reduce(float %x) noinline cold nounwind memory(none) {{
entry:
  %bits = bitcast float %x to i32
  %shifted = lshr i32 %bits, 23
  %exponent = and i32 %shifted, 255
  %fraction = and i32 %bits, 8388607
  %significand = or i32 %fraction, 8388608
  %down = sub i32 280, %exponent
  %limited = and i32 %down, 255
  %down.wide = zext i32 %limited to i256
  %window.wide = lshr i256 {_TWO_OVER_PI_BITS}, %down.wide
  %window = trunc i256 %window.wide to i128
  %m = zext i32 %significand to i128
  %turns = mul i128 %window, %m
  %rounded = add i128 %turns, {1 << 125}
  %n.wide = lshr i128 %rounded, 126
  %n = trunc i128 %n.wide to i32
  %whole = shl i128 %n.wide, 126
  %rest = sub i128 %turns, %whole
  %rest.high = ashr i128 %rest, 62
  %rest.word = trunc i128 %rest.high to i64
  %rest.double = sitofp i64 %rest.word to double
  %r.double = fmul double %rest.double, {float_literal(math.pi / 2 * 2.0**-64, "f64")}
  %r = fptrunc double %r.double to float
  %negative = icmp slt i32 %bits, 0
  %r.minus = fneg float %r
  %n.minus = sub i32 0, %n
  %r.signed = select i1 %negative, float %r.minus, float %r
  %n.signed = select i1 %negative, i32 %n.minus, i32 %n
  %infinite = icmp eq i32 %exponent, 255
  %r.final = select i1 %infinite, float {float_literal(math.nan, "f32")}, float %r.signed
  %pair = insertvalue {{ float, i32 }} poison, float %r.final, 0
  %result = insertvalue {{ float, i32 }} %pair, i32 %n.signed, 1
  ret {{ float, i32 }} %result
}}
"""


def _sine_and_cosine(e: Emitter, x: str, symbol: str) -> tuple[str, str, str]:
    """Sine and cosine of the reduced argument, and the quadrant."""
    r, n = _reduce(e, x, symbol)
    z = e.mul(r, r)
    s = e.fma(e.polynomial(SIN, z), e.mul(r, z), r)
    c = e.fma(e.polynomial(COS, z), e.mul(z, z), e.fma(z, e.f(-0.5), e.f(1.0)))
    return s, c, n


def _is_odd(e: Emitter, n: str) -> str:
    return e.integer_compare("ne", e.binary("and", n, e.i(1), "i32"), e.i(0))


def _quadrant(e: Emitter, s: str, c: str, n: str) -> str:
    magnitude = e.select(_is_odd(e, n), c, s)
    sign = e.binary("shl", e.binary("and", n, e.i(2), "i32"), e.i(30), "i32")
    return e.unbits(e.binary("xor", e.bits(magnitude), sign, "i32"))


def _reduce(e: Emitter, x: str, symbol: str) -> tuple[str, str]:
    """``r`` and ``n``; branches to the slow reduction only if some lane needs it."""
    n_float, n = e.nearest(x, _TWO_OVER_PI)
    r = _subtract_fused(e, x, n_float) if e.fused else _subtract_double(e, x, n_float)
    large = e.compare("ogt", e.abs(x), e.f(FAST_LIMIT))
    return _large_one(e, x, r, n, large, symbol) if e.lanes == 1 else _large_lanes(e, x, r, n, large, symbol)


def _subtract_fused(e: Emitter, x: str, n: str) -> str:
    minus_n = e.neg(n)
    r = x
    for part in _HALF_PI_SINGLE:
        r = e.fma(minus_n, e.f(part), r)
    return r


def _subtract_double(e: Emitter, x: str, n: str) -> str:
    wide, n_wide = e.cast("fpext", x, "f32", "f64"), e.cast("fpext", n, "f32", "f64")
    for part in _HALF_PI_DOUBLE:
        wide = e.sub(wide, e.mul(n_wide, e.f(part, "f64"), "f64"), "f64")
    return e.cast("fptrunc", wide, "f64", "f32")


def _large_one(e: Emitter, x: str, r: str, n: str, large: str, symbol: str) -> tuple[str, str]:
    before = e.block
    e.lines.append(f'  br i1 {large}, label %slow, label %reduced, !prof !{{!"branch_weights", i32 1, i32 2000}}')
    e.start_block("slow")
    pair = e.emit(f"call {{ float, i32 }} @{symbol}_reduce(float {x})")
    slow_r = e.emit(f"extractvalue {{ float, i32 }} {pair}, 0")
    slow_n = e.emit(f"extractvalue {{ float, i32 }} {pair}, 1")
    e.lines.append("  br label %reduced")
    e.start_block("reduced")
    return (
        e.emit(f"phi float [ {r}, %{before} ], [ {slow_r}, %slow ]"),
        e.emit(f"phi i32 [ {n}, %{before} ], [ {slow_n}, %slow ]"),
    )


def _large_lanes(e: Emitter, x: str, r: str, n: str, large: str, symbol: str) -> tuple[str, str]:
    """Walk over the lanes; each large one gets the helper's answer."""
    before, vector, integers = e.block, e.type("f32"), e.type("i32")
    some = e.emit(f"call i1 @llvm.vector.reduce.or.v{e.lanes}i1({e.type('i1')} {large})")
    e.lines.append(f'  br i1 {some}, label %lane, label %reduced, !prof !{{!"branch_weights", i32 1, i32 2000}}')
    e.start_block("lane")
    index, r_now, n_now = e.fresh(), e.fresh(), e.fresh()
    index_next, r_next, n_next = e.fresh(), e.fresh(), e.fresh()
    e.lines += [
        f"  {index} = phi i32 [ 0, %{before} ], [ {index_next}, %next ]",
        f"  {r_now} = phi {vector} [ {r}, %{before} ], [ {r_next}, %next ]",
        f"  {n_now} = phi {integers} [ {n}, %{before} ], [ {n_next}, %next ]",
    ]
    mine = e.emit(f"extractelement {e.type('i1')} {large}, i32 {index}")
    e.lines.append(f"  br i1 {mine}, label %slow, label %next")
    e.start_block("slow")
    element = e.emit(f"extractelement {vector} {x}, i32 {index}")
    pair = e.emit(f"call {{ float, i32 }} @{symbol}_reduce(float {element})")
    r_one = e.emit(f"extractvalue {{ float, i32 }} {pair}, 0")
    n_one = e.emit(f"extractvalue {{ float, i32 }} {pair}, 1")
    r_slow = e.emit(f"insertelement {vector} {r_now}, float {r_one}, i32 {index}")
    n_slow = e.emit(f"insertelement {integers} {n_now}, i32 {n_one}, i32 {index}")
    e.lines.append("  br label %next")
    e.start_block("next")
    e.lines += [
        f"  {r_next} = phi {vector} [ {r_now}, %lane ], [ {r_slow}, %slow ]",
        f"  {n_next} = phi {integers} [ {n_now}, %lane ], [ {n_slow}, %slow ]",
        f"  {index_next} = add i32 {index}, 1",
    ]
    more = e.integer_compare_scalar("slt", index_next, str(e.lanes))
    e.lines.append(f"  br i1 {more}, label %lane, label %reduced")
    e.start_block("reduced")
    return (
        e.emit(f"phi {vector} [ {r}, %{before} ], [ {r_next}, %next ]"),
        e.emit(f"phi {integers} [ {n}, %{before} ], [ {n_next}, %next ]"),
    )
