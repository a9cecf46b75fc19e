"""What arithmetic is made of: comparisons, selection, overloaded LLVM intrinsics, facts of literals."""

from __future__ import annotations

from typing import Final

from tondo.ir import DType
from tondo.ir.expr import CompareOp
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.smallfloat import widen
from tondo_llvm.emit.types import Operand, is_small_float, register_type

_COMPARE_FLOAT: Final = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}


def compare(frame: Frame, op: CompareOp, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Return the comparison of two values of ``dtype``."""
    if is_small_float(dtype):
        a, b, dtype = widen(frame, a, dtype), widen(frame, b, dtype), DType("float", 32, dtype.lanes)
    kind = register_type(dtype)
    if dtype.is_float:
        return frame.out.pure(f"fcmp {_COMPARE_FLOAT[op]} {kind} {a}, {b}", op)
    if isinstance(a, int) and isinstance(b, int):
        left, right = number(a, dtype), number(b, dtype)
        order = {"eq": left == right, "ne": left != right, "lt": left < right, "le": left <= right}
        return int(order.get(op, left > right if op == "gt" else left >= right))
    if op in {"eq", "ne"}:
        return frame.out.pure(f"icmp {op} {kind} {a}, {b}", op)
    sign = "s" if dtype.kind == "int" else "u"
    return frame.out.pure(f"icmp {sign}{op} {kind} {a}, {b}", op)


def choose(frame: Frame, condition: Operand, a: Operand, b: Operand, dtype: DType) -> Operand:
    """Return ``a`` where ``condition`` (bool of as many lanes) holds, else ``b``."""
    if a == b:
        return a
    if isinstance(condition, int):
        return a if condition else b
    kind, flag = register_type(dtype), register_type(DType("bool", 8, dtype.lanes))
    return frame.out.pure(f"select {flag} {condition}, {kind} {a}, {kind} {b}", "select")


def overloaded(frame: Frame, name: str, dtype: DType, *args: Operand) -> str:
    """Return the LLVM intrinsic ``name`` of arguments that all have type ``dtype``."""
    kind = register_type(dtype)
    full = f"llvm.{name}.{suffix(dtype)}"
    return frame.out.pure(f"call {kind} @{full}({', '.join(f'{kind} {arg}' for arg in args)})", name)


def suffix(dtype: DType) -> str:
    """Return the type suffix of overloaded LLVM intrinsics: ``f32``, ``v8i16``, ``i1``."""
    bits = 1 if dtype.is_bool else dtype.bits
    scalar = f"f{bits}" if dtype.is_float and dtype.bits >= 32 else f"i{bits}"
    return scalar if dtype.lanes == 1 else f"v{dtype.lanes}{scalar}"


def number(value: int, dtype: DType) -> int:
    """Return the number that a literal of ``dtype`` stands for."""
    return value % (1 << dtype.bits) if dtype.kind == "uint" or dtype.is_bool else value


def is_literal(value: Operand) -> bool:
    """Whether ``value`` is an integer literal or a splat of one."""
    return isinstance(value, int) or value.startswith("splat")


def literal_number(value: Operand) -> int:
    """Return the integer of a literal or of a splat."""
    return value if isinstance(value, int) else int(value.removesuffix(")").rpartition(" ")[2])
