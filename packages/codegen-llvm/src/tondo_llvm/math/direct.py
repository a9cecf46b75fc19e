"""Functions that are one or two instructions: square root, its reciprocal, and rounding to integers.

On processors without rounding instructions (x86 before SSE4.1) LLVM calls the C library for floor, ceil, trunc, round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter, Kind

# nearbyint rounds halves to even in the default rounding mode, and every C library has it.
DIRECT: Final = {"sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "nearbyint"}


def emit_rsqrt(e: Emitter, x: str, kind: Kind) -> str:
    """``1 / sqrt(x)`` with a division: two roundings."""
    return e.div(e.f(1.0, kind), e.sqrt(x, kind), kind)
