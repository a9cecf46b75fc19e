"""A small builder of straight-line LLVM IR over one vector shape.

Values are strings: a register or a literal. Every method appends one instruction and returns its register. With one
lane the types are scalars. ``fma`` is one instruction where the target has it, else a multiplication and an addition;
the algorithms are written so that their stated bounds hold either way. No fast-math flags: the order of operations is
part of the algorithms.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["f32", "f64", "i32", "i64", "i1"]
_SCALARS = {"f32": "float", "f64": "double", "i32": "i32", "i64": "i64", "i1": "i1"}

Compare = Literal["olt", "ole", "ogt", "oge", "oeq", "une", "uno", "ord"]


def float_literal(value: float, kind: Kind) -> str:
    """Return ``value`` as an LLVM literal, rounded to the kind's precision, as a 64-bit pattern for both kinds."""
    if kind == "f32":
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class Emitter:
    """Lines of one function body.

    Attributes:
        lanes: vector length; 1 means scalars.
        fused: whether the target multiplies and adds with one rounding.
        lines: the instructions so far.
        block: label of the block that is being written.
    """

    def __init__(self, lanes: int, *, fused: bool) -> None:
        """Start an empty body in the block ``entry``."""
        self.lanes = lanes
        self.fused = fused
        self.lines: list[str] = ["entry:"]
        self.block = "entry"
        self._count = 0

    def type(self, kind: Kind) -> str:
        """LLVM type of a value of ``kind``."""
        scalar = _SCALARS[kind]
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    def suffix(self, kind: Kind) -> str:
        """Suffix of overloaded intrinsics, ``f32`` or ``v8f32``."""
        return kind if self.lanes == 1 else f"v{self.lanes}{kind}"

    def fresh(self) -> str:
        """Return an unused register or label name, with the percent sign."""
        self._count += 1
        return f"%t{self._count}"

    def emit(self, right: str) -> str:
        """Append ``%t = right`` and return the register."""
        register = self.fresh()
        self.lines.append(f"  {register} = {right}")
        return register

    def start_block(self, label: str) -> None:
        """Begin the block ``label`` (without percent sign)."""
        self.lines.append(f"{label}:")
        self.block = label

    def splat(self, literal: str, kind: Kind) -> str:
        """A literal in every lane."""
        return literal if self.lanes == 1 else f"splat ({_SCALARS[kind]} {literal})"

    def f(self, value: float, kind: Kind = "f32") -> str:
        """A floating-point constant in every lane."""
        return self.splat(float_literal(value, kind), kind)

    def i(self, value: int, kind: Kind = "i32") -> str:
        """An integer constant in every lane."""
        return self.splat(str(value), kind)

    def binary(self, op: str, a: str, b: str, kind: Kind = "f32") -> str:
        """``a op b`` with any LLVM binary instruction."""
        return self.emit(f"{op} {self.type(kind)} {a}, {b}")

    def add(self, a: str, b: str, kind: Kind = "f32") -> str:
        """Floating-point sum."""
        return self.binary("fadd", a, b, kind)

    def sub(self, a: str, b: str, kind: Kind = "f32") -> str:
        """Floating-point difference."""
        return self.binary("fsub", a, b, kind)

    def mul(self, a: str, b: str, kind: Kind = "f32") -> str:
        """Floating-point product."""
        return self.binary("fmul", a, b, kind)

    def div(self, a: str, b: str, kind: Kind = "f32") -> str:
        """Floating-point quotient."""
        return self.binary("fdiv", a, b, kind)

    def neg(self, a: str, kind: Kind = "f32") -> str:
        """Negation, of the sign bit only."""
        return self.emit(f"fneg {self.type(kind)} {a}")

    def intrinsic(self, name: str, kind: Kind, *arguments: str) -> str:
        """``llvm.name`` on values of one kind."""
        given = ", ".join(f"{self.type(kind)} {argument}" for argument in arguments)
        return self.emit(f"call {self.type(kind)} @llvm.{name}.{self.suffix(kind)}({given})")

    def fma(self, a: str, b: str, c: str, kind: Kind = "f32") -> str:
        """``a * b + c``, fused where the target can."""
        if self.fused:
            return self.intrinsic("fma", kind, a, b, c)
        return self.add(self.mul(a, b, kind), c, kind)

    def polynomial(self, coefficients: Sequence[float], at: str, kind: Kind = "f32") -> str:
        """Horner's rule; coefficients from the lowest power."""
        value = self.f(coefficients[-1], kind)
        for coefficient in reversed(coefficients[:-1]):
            value = self.fma(value, at, self.f(coefficient, kind), kind)
        return value

    def abs(self, a: str, kind: Kind = "f32") -> str:
        """Magnitude."""
        return self.intrinsic("fabs", kind, a)

    def sqrt(self, a: str, kind: Kind = "f32") -> str:
        """Correctly rounded square root."""
        return self.intrinsic("sqrt", kind, a)

    def copysign(self, magnitude: str, sign: str, kind: Kind = "f32") -> str:
        """``magnitude`` with the sign bit of ``sign``."""
        return self.intrinsic("copysign", kind, magnitude, sign)

    def compare(self, predicate: Compare, a: str, b: str, kind: Kind = "f32") -> str:
        """Floating-point comparison, a mask."""
        return self.emit(f"fcmp {predicate} {self.type(kind)} {a}, {b}")

    def integer_compare(self, predicate: str, a: str, b: str, kind: Kind = "i32") -> str:
        """Integer comparison, a mask."""
        return self.emit(f"icmp {predicate} {self.type(kind)} {a}, {b}")

    def integer_compare_scalar(self, predicate: str, a: str, b: str) -> str:
        """Comparison of two scalars of 32 bits, for loops over lanes."""
        return self.emit(f"icmp {predicate} i32 {a}, {b}")

    def select(self, mask: str, yes: str, no: str, kind: Kind = "f32") -> str:
        """``yes`` where ``mask`` is set, else ``no``."""
        return self.emit(f"select {self.type('i1')} {mask}, {self.type(kind)} {yes}, {self.type(kind)} {no}")

    def clamp(self, a: str, low: float, high: float, kind: Kind = "f32") -> str:
        """``a`` limited to ``[low, high]``; not-a-number passes."""
        a = self.select(self.compare("olt", a, self.f(low, kind), kind), self.f(low, kind), a, kind)
        return self.select(self.compare("ogt", a, self.f(high, kind), kind), self.f(high, kind), a, kind)

    def cast(self, op: str, a: str, source: Kind, to: Kind) -> str:
        """``bitcast``, ``fpext``, ``sitofp`` and so on."""
        return self.emit(f"{op} {self.type(source)} {a} to {self.type(to)}")

    def bits(self, a: str, kind: Kind = "f32") -> str:
        """Bit pattern of a floating-point value."""
        return self.cast("bitcast", a, kind, "i32" if kind == "f32" else "i64")

    def unbits(self, a: str, kind: Kind = "f32") -> str:
        """Floating-point value of a bit pattern."""
        return self.cast("bitcast", a, "i32" if kind == "f32" else "i64", kind)

    def nearest(self, a: str, scale: float, kind: Kind = "f32") -> tuple[str, str]:
        """``n = round(a * scale)`` as a float and as an integer, for ``|n|`` below 2^22 (2^51 in double).

        Adding 1.5 * 2^23 leaves the rounded value in the low bits of the significand. Unlike a conversion this is
        defined for not-a-number and infinity, where the integer is arbitrary.
        """
        magic = 1.5 * 2.0**23 if kind == "f32" else 1.5 * 2.0**52
        shifted = self.fma(a, self.f(scale, kind), self.f(magic, kind), kind)
        rounded = self.sub(shifted, self.f(magic, kind), kind)
        integer: Kind = "i32" if kind == "f32" else "i64"
        pattern = struct.unpack("<i", struct.pack("<f", magic))[0] if kind == "f32" else _pattern64(magic)
        return rounded, self.binary("sub", self.bits(shifted, kind), self.i(pattern, integer), integer)

    def power_of_two(self, exponent: str, kind: Kind = "f32") -> str:
        """``2 ** exponent`` for exponents of normal numbers; anything for others."""
        integer: Kind = "i32" if kind == "f32" else "i64"
        bias, shift = (127, 23) if kind == "f32" else (1023, 52)
        biased = self.binary("add", exponent, self.i(bias, integer), integer)
        return self.unbits(self.binary("shl", biased, self.i(shift, integer), integer), kind)

    def tiny_is_itself(self, x: str, value: str, below: float) -> str:
        """``x`` where ``|x| < below``, else ``value``: keeps the sign of zero and every bit of subnormal numbers."""
        return self.select(self.compare("olt", self.abs(x), self.f(below)), x, value)


def _pattern64(value: float) -> int:
    return struct.unpack("<q", struct.pack("<d", value))[0]
