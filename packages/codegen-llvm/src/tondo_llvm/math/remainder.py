"""The exact remainder ``fmod(x, y)`` in single precision: sign of ``x``, magnitude below ``|y|``.

Long division of the significands, one bit for each step of the difference of the exponents; a lane whose quotient is
small is done early, and the loop ends when all are. Nothing is ever rounded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter


def emit_fmod(e: Emitter, x: str, y: str) -> str:
    """``fmod(x, y)``; not-a-number for infinite ``x`` and for ``y`` zero."""
    ax, ay = e.abs(x), e.abs(y)
    mx, ex = _decode(e, ax)
    my, ey = _decode(e, ay)
    steps = e.binary("sub", ex, ey, "i32")
    m = _divide(e, mx, my, steps)
    rest = e.copysign(_encode(e, m, ey), x)
    value = e.select(e.compare("olt", ax, ay), x, rest)
    defined = e.binary("and", e.compare("olt", ax, e.f(math.inf)), e.compare("ogt", ay, e.f(0.0)), "i1")
    return e.select(defined, value, e.f(math.nan))


def _decode(e: Emitter, a: str) -> tuple[str, str]:
    """Significand with bit 23 set and biased exponent; subnormal numbers get exponents below one."""
    bits = e.bits(a)
    field = e.binary("lshr", bits, e.i(23), "i32")
    subnormal = e.integer_compare("eq", field, e.i(0))
    fraction = e.binary("and", bits, e.i(0x7FFFFF), "i32")
    normal = e.binary("or", fraction, e.i(0x800000), "i32")
    m = e.select(subnormal, fraction, normal, "i32")
    exponent = e.select(subnormal, e.i(1), field, "i32")
    vector = e.type("i32")
    zeros = e.emit(f"call {vector} @llvm.ctlz.{e.suffix('i32')}({vector} {m}, i1 false)")
    shift = e.binary("sub", zeros, e.i(8), "i32")
    shift = e.binary("and", shift, e.i(31), "i32")
    return e.binary("shl", m, shift, "i32"), e.binary("sub", exponent, shift, "i32")


def _divide(e: Emitter, mx: str, my: str, steps: str) -> str:
    """Remainder of ``mx 2^steps`` by ``my`` in lanes with ``steps >= 0``."""
    before, vector = e.block, e.type("i32")
    m, left, m_next, left_next = e.fresh(), e.fresh(), e.fresh(), e.fresh()
    e.lines.append("  br label %divide")
    e.start_block("divide")
    e.lines += [
        f"  {m} = phi {vector} [ {mx}, %{before} ], [ {m_next}, %step ]",
        f"  {left} = phi {vector} [ {steps}, %{before} ], [ {left_next}, %step ]",
    ]
    reduced = _subtract_if_possible(e, m, my)
    going = e.integer_compare("sgt", left, e.i(0))
    if e.lanes == 1:
        some = going
    else:
        some = e.emit(f"call i1 @llvm.vector.reduce.or.v{e.lanes}i1({e.type('i1')} {going})")
    e.lines.append(f"  br i1 {some}, label %step, label %divided")
    e.start_block("step")
    doubled = e.binary("shl", reduced, e.i(1), "i32")
    less = e.binary("sub", left, e.i(1), "i32")
    e.lines += [
        f"  {m_next} = select {e.type('i1')} {going}, {vector} {doubled}, {vector} {reduced}",
        f"  {left_next} = select {e.type('i1')} {going}, {vector} {less}, {vector} {left}",
        "  br label %divide",
    ]
    e.start_block("divided")
    return reduced


def _subtract_if_possible(e: Emitter, m: str, my: str) -> str:
    return e.select(e.integer_compare("uge", m, my), e.binary("sub", m, my, "i32"), m, "i32")


def _encode(e: Emitter, m: str, exponent: str) -> str:
    """``m 2^(exponent - 150)``; the low bits that a subnormal result has no room for are zero."""
    low = e.integer_compare("slt", exponent, e.i(1))
    limited = e.select(low, e.i(1), exponent, "i32")
    down = e.binary("sub", limited, exponent, "i32")
    down = e.binary("and", down, e.i(31), "i32")
    m = e.binary("lshr", m, down, "i32")
    value = e.mul(e.cast("sitofp", m, "i32", "f32"), e.f(2.0**-23))
    return e.mul(value, e.unbits(e.binary("shl", limited, e.i(23), "i32")))
