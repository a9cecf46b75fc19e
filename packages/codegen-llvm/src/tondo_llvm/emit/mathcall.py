"""Calls of mathematical functions: one LLVM instruction where there is one, else :mod:`tondo_llvm.math`."""

from __future__ import annotations

import math
from typing import Final

from tondo.diagnostics import fail
from tondo.ir import DType
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.types import Operand, literal, register_type
from tondo_llvm.math import MATH_FUNCTIONS, math_function

_INSTRUCTIONS: Final = {
    "sqrt": "sqrt",
    "floor": "floor",
    "ceil": "ceil",
    "round": "rint",
    "trunc": "trunc",
    "abs": "fabs",
    "fma": "fma",
}


def call_math(frame: Frame, name: str, args: tuple[Operand, ...], dtype: DType) -> Operand:
    """Return function ``name`` of float32 or float64 values of ``dtype``.

    Raises:
        TondoError: TND-B004 for a function that does not exist.
    """
    kind = register_type(dtype)
    if name in _INSTRUCTIONS:
        scalar = f"f{dtype.bits}"
        full = f"llvm.{_INSTRUCTIONS[name]}.{scalar if dtype.lanes == 1 else f'v{dtype.lanes}{scalar}'}"
        return _call(frame, full, args, kind, name)
    if name == "atan2":
        return _atan2(frame, args[0], args[1], dtype)
    if name not in MATH_FUNCTIONS:
        fail("TND-B004", f"'{name}' is not defined for {dtype}")
    precision = "float32" if dtype.bits == 32 else "float64"
    function = math_function(name, precision, dtype.lanes, {"fma"} if frame.unit.fused else ())
    for declaration in function.declarations:
        frame.module.include(declaration, declaration)
    frame.module.include(function.symbol, function.ir_text)
    return _call(frame, function.symbol, args, kind, name)


def _call(frame: Frame, function: str, args: tuple[Operand, ...], kind: str, hint: str) -> str:
    return frame.out.pure(f"call {kind} @{function}({', '.join(f'{kind} {arg}' for arg in args)})", hint)


def _atan2(frame: Frame, y: Operand, x: Operand, dtype: DType) -> Operand:
    """The angle of (x, y) from the arc tangent of a quotient of at most one, moved to its octant."""
    pure, kind = frame.out.pure, register_type(dtype)
    flag = register_type(DType("bool", 8, dtype.lanes))
    width = f"f{dtype.bits}" if dtype.lanes == 1 else f"v{dtype.lanes}f{dtype.bits}"

    def constant(value: float) -> Operand:
        return literal(value, dtype)

    def pick(condition: str, a: Operand, b: Operand) -> str:
        return pure(f"select {flag} {condition}, {kind} {a}, {kind} {b}", "pick")

    ax = _call(frame, f"llvm.fabs.{width}", (x,), kind, "ax")
    ay = _call(frame, f"llvm.fabs.{width}", (y,), kind, "ay")
    steep = pure(f"fcmp ogt {kind} {ay}, {ax}", "steep")
    small, large = pick(steep, ax, ay), pick(steep, ay, ax)
    # Equal sides (both zero, both infinite) have the quotient one or, at the origin, zero.
    same = pure(f"fcmp oeq {kind} {ax}, {ay}", "same")
    origin = pure(f"fcmp oeq {kind} {large}, {constant(0.0)}", "origin")
    quotient = pick(same, constant(1.0), pure(f"fdiv {kind} {small}, {large}", "quotient"))
    angle = call_math(frame, "atan", (pick(origin, constant(0.0), quotient),), dtype)
    angle = pick(steep, pure(f"fsub {kind} {constant(math.pi / 2)}, {angle}", "angle"), angle)
    sign_of_x = _call(frame, f"llvm.copysign.{width}", (constant(1.0), x), kind, "sign")
    left = pure(f"fcmp olt {kind} {sign_of_x}, {constant(0.0)}", "left")
    angle = pick(left, pure(f"fsub {kind} {constant(math.pi)}, {angle}", "angle"), angle)
    signed = _call(frame, f"llvm.copysign.{width}", (angle, y), kind, "atan2")
    ordered = pure(f"fcmp ord {kind} {x}, {y}", "ordered")
    return pick(ordered, signed, constant(float("nan")))
