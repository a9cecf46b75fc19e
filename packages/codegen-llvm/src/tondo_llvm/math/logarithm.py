"""Logarithms and inverse hyperbolic functions in single precision: log, log2, log10, log1p, asinh, acosh, atanh.

Method: ``x = 2^k (1 + f)`` with ``1 + f`` in [sqrt(1/2), sqrt(2)), a polynomial in ``f`` whose first term is ``f``
itself, and ``k`` times the logarithm of two, split in two parts. Subnormal arguments are scaled first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tondo_llvm.math.coefficients import LOG, LOG2, LOG10

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter

_LN2_HIGH = 0.693359375
_LN2_LOW = math.log(2.0) - _LN2_HIGH
_SQRT_HALF_BITS = 0x3F3504F3
_MIN_NORMAL = 2.0**-126
_HUGE = 2.0**28  # beyond it 1 + x, x + 1/x and the like are x


def emit_log(e: Emitter, x: str) -> str:
    """Natural logarithm."""
    k, f = _split(e, x)
    return _poles(e, x, _log_of(e, k, f))


def _log_of(e: Emitter, k: str, f: str) -> str:
    """``k ln 2 + log(1 + f)``, the small terms first."""
    small = e.mul(e.polynomial(LOG, f), e.mul(f, f))
    small = e.fma(k, e.f(_LN2_LOW), small)
    return e.fma(k, e.f(_LN2_HIGH), e.add(small, f))


def emit_log2(e: Emitter, x: str) -> str:
    """Logarithm to base two, exact at powers of two."""
    k, f = _split(e, x)
    # log2(e) = 1 + 0.4427: the exact part of the product is added last
    tail = e.mul(f, e.f(1.0 / math.log(2.0) - 1.0))
    tail = e.fma(e.polynomial(LOG2, f), e.mul(f, f), tail)
    return _poles(e, x, e.add(k, e.add(tail, f)))


def emit_log10(e: Emitter, x: str) -> str:
    """Logarithm to base ten."""
    k, f = _split(e, x)
    high = 0.30078125  # log10(2) in eight bits: k times it is exact
    tail = e.mul(e.polynomial(LOG10, f), e.mul(f, f))
    tail = e.fma(k, e.f(math.log10(2.0) - high), tail)
    head = e.fma(f, e.f(math.log10(math.e)), tail)
    return _poles(e, x, e.fma(k, e.f(high), head))


def _split(e: Emitter, x: str) -> tuple[str, str]:
    """``k`` as a float and ``f`` with ``x = 2^k (1 + f)``; anything for arguments that :func:`_poles` replaces."""
    subnormal = e.compare("olt", x, e.f(_MIN_NORMAL))
    scaled = e.select(subnormal, e.mul(x, e.f(2.0**23)), x)
    k, mantissa = _exponent(e, scaled)
    shift = e.select(subnormal, e.f(23.0), e.f(0.0))
    return e.sub(e.cast("sitofp", k, "i32", "f32"), shift), e.sub(mantissa, e.f(1.0))


def _exponent(e: Emitter, x: str) -> tuple[str, str]:
    """Integer ``k`` and ``x / 2^k`` in [sqrt(1/2), sqrt(2)) for positive normal ``x``."""
    bits = e.bits(x)
    k = e.binary("ashr", e.binary("sub", bits, e.i(_SQRT_HALF_BITS), "i32"), e.i(23), "i32")
    return k, e.unbits(e.binary("sub", bits, e.binary("shl", k, e.i(23), "i32"), "i32"))


def _poles(e: Emitter, x: str, value: str) -> str:
    """Put in the values at zero, infinity and not-a-number, and not-a-number for negative arguments."""
    value = e.select(e.compare("oeq", x, e.f(0.0)), e.f(-math.inf), value)
    positive = e.compare("oge", x, e.f(0.0))
    value = e.select(positive, value, e.f(math.nan))
    return e.select(e.compare("oeq", x, e.f(math.inf)), x, value)


def emit_log1p(e: Emitter, x: str) -> str:
    """``log(1 + x)``: ``f = x 2^-k + (2^-k - 1)`` loses nothing of a small ``x``."""
    one_plus = e.add(x, e.f(1.0))
    k, mantissa = _exponent(e, one_plus)
    scale = e.unbits(e.binary("shl", e.binary("sub", e.i(127), k, "i32"), e.i(23), "i32"))
    f = e.fma(x, scale, e.sub(scale, e.f(1.0)))
    large = e.compare("ogt", x, e.f(_HUGE))  # there 2^-k may be subnormal, and 1 + x is x
    f = e.select(large, e.sub(mantissa, e.f(1.0)), f)
    value = _poles(e, one_plus, _log_of(e, e.cast("sitofp", k, "i32", "f32"), f))
    return e.tiny_is_itself(x, value, 2.0**-25)


def emit_asinh(e: Emitter, x: str) -> str:
    """``asinh(x) = sign(x) log1p(a + a^2 / (1 + sqrt(a^2 + 1)))`` with ``a = |x|``."""
    a = e.abs(x)
    large = e.compare("ogt", a, e.f(_HUGE))
    square = e.mul(a, a)
    root = e.sqrt(e.add(square, e.f(1.0)))
    argument = e.add(a, e.div(square, e.add(root, e.f(1.0))))
    value = _log1p_or_log_2x(e, argument, a, large)
    return e.tiny_is_itself(x, e.copysign(value, x), 2.0**-13)


def emit_acosh(e: Emitter, x: str) -> str:
    """``acosh(x) = log1p(t + sqrt(t (t + 2)))`` with ``t = x - 1``."""
    t = e.sub(x, e.f(1.0))
    root = e.sqrt(e.mul(t, e.add(t, e.f(2.0))))
    value = _log1p_or_log_2x(e, e.add(t, root), x, e.compare("ogt", x, e.f(_HUGE)))
    return e.select(e.compare("oge", x, e.f(1.0)), value, e.f(math.nan))


def _log1p_or_log_2x(e: Emitter, argument: str, x: str, large: str) -> str:
    """``log1p(argument)``, or ``log(x) + ln 2`` where ``x`` is so large that its square may overflow."""
    value = emit_log1p(e, e.select(large, x, argument))
    return e.add(value, e.select(large, e.f(math.log(2.0)), e.f(0.0)))


def emit_atanh(e: Emitter, x: str) -> str:
    """``atanh(x) = sign(x) log1p(2 a / (1 - a)) / 2`` with ``a = |x|``."""
    a = e.abs(x)
    double = e.add(a, a)
    rest = e.sub(e.f(1.0), a)
    ratio = e.div(e.mul(double, a), rest)
    near = e.add(double, ratio)  # for small a the rounding of 1 - a counts less this way
    far = e.div(double, rest)
    argument = e.select(e.compare("olt", a, e.f(0.5)), near, far)
    value = e.copysign(e.mul(emit_log1p(e, argument), e.f(0.5)), x)
    return e.tiny_is_itself(x, value, 2.0**-13)
