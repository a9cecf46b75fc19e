"""Arc sine, arc cosine and arc tangent in single precision.

Arguments are brought near zero by ``asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2))`` and ``atan(a) = pi/2 - atan(1 / a)``,
then an odd polynomial. ``pi/2`` is added in two parts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tondo_llvm.math.coefficients import ASIN, ATAN

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter

_HALF_PI_HIGH = 1.57079637050628662109375
_HALF_PI_LOW = math.pi / 2 - _HALF_PI_HIGH


def emit_asin(e: Emitter, x: str) -> str:
    """``asin(x)``; not-a-number outside [-1, 1]."""
    large, p = _half_angle(e, x)
    value = e.select(large, _half_pi_minus(e, e.add(p, p)), p)
    return e.tiny_is_itself(x, e.copysign(value, x), 2.0**-13)


def emit_acos(e: Emitter, x: str) -> str:
    """``acos(x)``; not-a-number outside [-1, 1]."""
    large, p = _half_angle(e, x)
    double = e.add(p, p)
    reflected = e.add(e.sub(e.f(2 * _HALF_PI_HIGH), double), e.f(2 * _HALF_PI_LOW))
    outer = e.select(e.compare("olt", x, e.f(0.0)), reflected, double)
    return e.select(large, outer, _half_pi_minus(e, e.copysign(p, x)))


def _half_angle(e: Emitter, x: str) -> tuple[str, str]:
    """Whether ``a = |x|`` exceeds one half, and ``asin(a)`` or else ``asin(sqrt((1 - a) / 2))``."""
    a = e.abs(x)
    large = e.compare("ogt", a, e.f(0.5))
    z = e.select(large, e.mul(e.sub(e.f(1.0), a), e.f(0.5)), e.mul(a, a))
    s = e.select(large, e.sqrt(z), a)
    return large, e.fma(e.polynomial(ASIN, z), e.mul(s, z), s)


def _half_pi_minus(e: Emitter, value: str) -> str:
    return e.sub(e.f(_HALF_PI_HIGH), e.sub(value, e.f(_HALF_PI_LOW)))


def emit_atan(e: Emitter, x: str) -> str:
    """``atan(x)``."""
    a = e.abs(x)
    large = e.compare("ogt", a, e.f(1.0))
    t = e.select(large, e.div(e.f(1.0), a), a)
    z = e.mul(t, t)
    p = e.fma(e.polynomial(ATAN, z), e.mul(t, z), t)
    value = e.copysign(e.select(large, _half_pi_minus(e, p), p), x)
    return e.tiny_is_itself(x, value, 2.0**-13)
