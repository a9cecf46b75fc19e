"""The error function in single precision.

Below one, ``x`` times a polynomial in its square. From one on, ``1 - exp(p(a))`` with a polynomial ``p`` for the
logarithm of the complement: there the complement is below 0.16, so its relative error counts for little. One from
four on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tondo_llvm.math.coefficients import ERF_LARGE, ERF_SMALL
from tondo_llvm.math.exponential import scaled_exp

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter


def emit_erf(e: Emitter, x: str) -> str:
    """``erf(x)``."""
    a = e.clamp(e.abs(x), 0.0, 4.0)
    small = e.fma(x, e.polynomial(ERF_SMALL, e.mul(x, x)), x)
    complement = scaled_exp(e, e.polynomial(ERF_LARGE, a), 0)
    large = e.copysign(e.sub(e.f(1.0), complement), x)
    return e.select(e.compare("olt", a, e.f(1.0)), small, large)
