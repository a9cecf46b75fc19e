"""LLVM types and literals of the IR's element types.

A value has a type in registers and one in memory. They differ for bool (``i1`` and one byte) and for the numbers
below eight bits (``i4`` and one byte). Floats narrower than 32 bits are carried as the integers of their bits;
:mod:`tondo_llvm.emit.smallfloat` converts them around every operation. Refused with TND-B004: complex numbers.
"""

from __future__ import annotations

import functools
import math
import struct
from typing import TypeAlias

import numpy as np

from tondo.diagnostics import fail
from tondo.ir import DType

Operand: TypeAlias = "str | int"
"""A value in LLVM text: a name or a literal as text; integer and bool scalars known here are Python integers."""

INDEX = "i64"


@functools.cache
def register_type(dtype: DType) -> str:
    """Return the LLVM type that values of ``dtype`` have in registers."""
    scalar = _register_scalar(dtype.element)
    return scalar if dtype.lanes == 1 else f"<{dtype.lanes} x {scalar}>"


@functools.cache
def memory_type(dtype: DType) -> str:
    """Return the LLVM type that values of ``dtype`` have in memory."""
    scalar = "i8" if dtype.is_bool or dtype.bits < 8 else _register_scalar(dtype.element)
    return scalar if dtype.lanes == 1 else f"<{dtype.lanes} x {scalar}>"


def is_small_float(dtype: DType) -> bool:
    """Whether values of ``dtype`` are floats that are carried as integers of their bits."""
    return dtype.is_float and dtype.bits < 32


def scalar_abi_type(dtype: DType) -> str:
    """Return the LLVM type in which a scalar parameter of ``dtype`` is passed: ``i64`` or ``double``."""
    return "double" if dtype.is_float else INDEX


def literal(value: float, dtype: DType) -> Operand:
    """Return the literal of ``value`` (one number) as a register value of ``dtype``, splat over its lanes."""
    scalar = _scalar_literal(value, dtype.element)
    return scalar if dtype.lanes == 1 else splat_literal(scalar, dtype)


def splat_literal(scalar: Operand, dtype: DType) -> str:
    """Return the vector literal of ``dtype.lanes`` copies of a scalar literal."""
    return f"splat ({register_type(dtype.element)} {scalar})"


def zero(dtype: DType) -> Operand:
    """Return the literal zero of ``dtype``."""
    return literal(0, dtype) if dtype.lanes == 1 else "zeroinitializer"


def vector_literal(values: list[int], element: str) -> str:
    """Return a vector literal of integers of the LLVM type ``element``."""
    return f"<{', '.join(f'{element} {value}' for value in values)}>"


def wrap(value: int, bits: int) -> int:
    """Return ``value`` reduced to a signed integer of ``bits`` bits."""
    half = 1 << (bits - 1)
    return ((value + half) & ((1 << bits) - 1)) - half


def _register_scalar(dtype: DType) -> str:
    if dtype.is_bool:
        return "i1"
    if dtype.kind == "float" and dtype.bits >= 32:
        return "float" if dtype.bits == 32 else "double"
    if dtype.is_integer or dtype.is_float:
        return f"i{dtype.bits}"
    if dtype.kind == "handle":
        return "ptr"
    return fail(
        "TND-B004", f"values of type {dtype} cannot be compiled", help="split complex tensors into real and imaginary"
    )


def _scalar_literal(value: float, dtype: DType) -> Operand:
    if dtype.is_bool:
        return int(bool(value))
    if dtype.is_integer:
        return wrap(int(value), dtype.bits)
    if dtype.kind == "handle":
        return "null"
    if is_small_float(dtype):
        bits = np.array(value, dtype=np.float32).astype(dtype.numpy).view(f"uint{8 * dtype.bytes}")
        return int(bits)
    number = float(value)
    if dtype.bits == 32 and not math.isnan(number):
        with np.errstate(over="ignore"):
            number = float(np.float32(number))
    return f"0x{struct.pack('>d', number).hex().upper()}"
