"""Exponentials: exp, exp2, expm1, sinh, cosh, tanh, sigmoid in single precision.

Method (Cody and Waite, *Software Manual for the Elementary Functions*, 1980): ``x = k ln 2 + r`` with integer ``k``
and ``|r| <= ln(2)/2``, a polynomial in ``r``, and a multiplication by ``2^k`` in two steps so that results below the
smallest normal number are rounded once. ``ln 2`` is split in two parts, the first short enough that ``k`` times it is
exact.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tondo_llvm.math.coefficients import EXP, EXP2, EXPM1, SINH

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter

_LN2_HIGH = 0.693359375  # 355 / 512: nine bits
_LN2_LOW = math.log(2.0) - _LN2_HIGH
_LOG2E = 1.0 / math.log(2.0)


def emit_exp(e: Emitter, x: str) -> str:
    """``exp(x)``."""
    return scaled_exp(e, e.clamp(x, -104.5, 89.0), 0)


def scaled_exp(e: Emitter, x: str, bias: int) -> str:
    """``exp(x) * 2^bias`` for ``x`` in [-104.5, 90]; overflow and underflow are those of the scaled result."""
    k, k_integer, r = _reduce(e, x)
    del k
    p = e.polynomial(EXP, r)
    p = e.fma(p, e.mul(r, r), r)
    return _scale(e, e.add(p, e.f(1.0)), k_integer, bias)


def _reduce(e: Emitter, x: str) -> tuple[str, str, str]:
    """``k`` as a float and as an integer, and ``r = x - k ln 2``."""
    k, k_integer = e.nearest(x, _LOG2E)
    minus_k = e.neg(k)
    r = e.fma(minus_k, e.f(_LN2_HIGH), x)
    return k, k_integer, e.fma(minus_k, e.f(_LN2_LOW), r)


def _scale(e: Emitter, p: str, k: str, bias: int) -> str:
    half = e.binary("ashr", k, e.i(1), "i32")
    rest = e.binary("sub", k, half, "i32")
    if bias:
        rest = e.binary("add", rest, e.i(bias), "i32")
    return e.mul(e.mul(p, e.power_of_two(half)), e.power_of_two(rest))


def emit_exp2(e: Emitter, x: str) -> str:
    """``2 ** x``: the reduction is exact."""
    x = e.clamp(x, -151.0, 129.0)
    k, k_integer = e.nearest(x, 1.0)
    r = e.sub(x, k)
    return _scale(e, e.fma(e.polynomial(EXP2, r), r, e.f(1.0)), k_integer, 0)


def emit_expm1(e: Emitter, x: str) -> str:
    """``exp(x) - 1`` without cancellation: ``2 (2^(k-1) expm1(r) + (2^(k-1) - 1/2))``, both terms accurate."""
    limited = e.clamp(x, -20.0, 89.0)
    _, k, r = _reduce(e, limited)
    small = e.fma(e.polynomial(EXPM1, r), e.mul(r, r), r)
    half_power = e.power_of_two(e.binary("add", k, e.i(-1), "i32"))
    half = e.fma(half_power, small, e.sub(half_power, e.f(0.5)))
    return e.tiny_is_itself(x, e.add(half, half), 2.0**-25)


def emit_sinh(e: Emitter, x: str) -> str:
    """``sinh(x)``: an odd polynomial below one, else ``E - 1 / (4 E)`` with ``E = exp(|x|) / 2``."""
    magnitude = e.abs(x)
    square = e.mul(x, x)
    small = e.fma(e.polynomial(SINH, square), e.mul(square, x), x)
    half = scaled_exp(e, e.clamp(magnitude, 0.0, 90.0), -1)
    large = e.sub(half, e.div(e.f(0.25), half))
    large = e.copysign(large, x)
    value = e.select(e.compare("olt", magnitude, e.f(1.0)), small, large)
    return e.tiny_is_itself(x, value, 2.0**-13)


def emit_cosh(e: Emitter, x: str) -> str:
    """``cosh(x)`` as ``E + 1 / (4 E)`` with ``E = exp(|x|) / 2``."""
    half = scaled_exp(e, e.clamp(e.abs(x), 0.0, 90.0), -1)
    return e.add(half, e.div(e.f(0.25), half))


def emit_tanh(e: Emitter, x: str) -> str:
    """``tanh(x) = -m / (2 + m)`` with ``m = expm1(-2 |x|)``, which is exact in sign and never cancels."""
    magnitude = e.clamp(e.abs(x), 0.0, 10.0)
    _, k, r = _reduce(e, e.mul(magnitude, e.f(-2.0)))
    small = e.fma(e.polynomial(EXPM1, r), e.mul(r, r), r)
    power = e.power_of_two(k)
    m = e.fma(power, small, e.sub(power, e.f(1.0)))
    value = e.copysign(e.div(e.neg(m), e.add(m, e.f(2.0))), x)
    return e.tiny_is_itself(x, value, 2.0**-13)


def emit_sigmoid(e: Emitter, x: str) -> str:
    """``1 / (1 + exp(-x))`` as ``n / (1 + t)``, ``t = exp(-|x|)``, ``n`` one or ``t``: accurate down to subnormals."""
    t = scaled_exp(e, e.clamp(e.neg(e.abs(x)), -104.5, 0.0), 0)
    numerator = e.select(e.compare("olt", x, e.f(0.0)), t, e.f(1.0))
    return e.div(numerator, e.add(t, e.f(1.0)))
