"""Conversions between element types: float to integer truncates, to bool tests against zero, integers wrap."""

from __future__ import annotations

from tondo.diagnostics import fail
from tondo.ir import FLOAT32, DType
from tondo_llvm.emit.arithmetic import choose, compare
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.smallfloat import narrow, widen
from tondo_llvm.emit.types import Operand, is_small_float, literal, register_type, wrap


def convert(frame: Frame, value: Operand, source: DType, target: DType) -> Operand:
    """Return ``value`` of type ``source`` as ``target`` (both with the same lanes)."""
    if source == target:
        return value
    if source.lanes != target.lanes:
        fail("TND-B004", f"a cast cannot change the number of lanes ({source} to {target})")
    if is_small_float(source):
        single = FLOAT32.with_lanes(source.lanes)
        return convert(frame, widen(frame, value, source), single, target)
    if target.is_bool:
        return compare(frame, "ne", value, literal(0, source), source)
    if is_small_float(target):
        single = FLOAT32.with_lanes(target.lanes)
        return narrow(frame, convert(frame, value, source, single), target)
    if source.kind == "handle" or target.kind == "handle":
        return _handle(frame, value, source, target)
    if source.is_float:
        return _from_float(frame, value, source, target)
    if target.is_float:
        word = "sitofp" if source.kind == "int" else "uitofp"
        if isinstance(value, int):
            return literal(value if source.kind == "int" else value % (1 << source.bits), target)
        return frame.out.pure(f"{word} {register_type(source)} {value} to {register_type(target)}", "float")
    return _integers(frame, value, source, target)


def _integers(frame: Frame, value: Operand, source: DType, target: DType) -> Operand:
    from_bits = 1 if source.is_bool else source.bits
    if isinstance(value, int):
        known = value if source.kind == "int" else value % (1 << from_bits)
        return wrap(known, target.bits)
    if from_bits == target.bits:
        return value
    word = "trunc" if from_bits > target.bits else "sext" if source.kind == "int" else "zext"
    return frame.out.pure(f"{word} {register_type(source)} {value} to {register_type(target)}", "int")


def _from_float(frame: Frame, value: Operand, source: DType, target: DType) -> Operand:
    if target.is_float:
        word = "fpext" if target.bits > source.bits else "fptrunc"
        return frame.out.pure(f"{word} {register_type(source)} {value} to {register_type(target)}", "float")
    if target.kind == "uint" and target.bits == 64:
        return _to_uint64(frame, value, source, target)
    # Narrow integers take the low bits of a wider conversion, as C compilers do it on every common machine; the
    # freeze makes what lies outside the wider type some number instead of poison.
    bits = 64 if target.bits == 64 or (target.kind == "uint" and target.bits == 32) else 32
    wide = DType("int", bits, target.lanes)
    return _integers(frame, _signed(frame, value, source, wide), wide, target)


def _signed(frame: Frame, value: Operand, source: DType, wide: DType) -> str:
    kind = register_type(wide)
    raw = frame.out.pure(f"fptosi {register_type(source)} {value} to {kind}", "int")
    return frame.out.pure(f"freeze {kind} {raw}", "int")


def _to_uint64(frame: Frame, value: Operand, source: DType, target: DType) -> Operand:
    """Values from 2**63 on lie outside the signed conversion, so they are moved there and back."""
    pure, kind, real = frame.out.pure, register_type(target), register_type(source)
    signed = DType("int", 64, target.lanes)
    half = literal(2.0**63, source)
    low = _signed(frame, value, source, signed)
    high = _signed(frame, pure(f"fsub {real} {value}, {half}", "moved"), source, signed)
    flipped = pure(f"xor {kind} {high}, {literal(-(1 << 63), signed)}", "high")
    return choose(frame, compare(frame, "lt", value, half, source), low, flipped, target)


def _handle(frame: Frame, value: Operand, source: DType, target: DType) -> Operand:
    if not (source.is_integer or target.is_integer) or 64 not in {source.bits, target.bits}:
        fail("TND-B004", f"{source} cannot be converted to {target}")
    word = "ptrtoint" if source.kind == "handle" else "inttoptr"
    return frame.out.pure(f"{word} {register_type(source)} {value} to {register_type(target)}", "handle")
