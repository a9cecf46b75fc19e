"""Binary, unary and comparison operators and conversions with the semantics of :mod:`tondo.ir.expr`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final

import numpy as np

from tondo.interp.values import Value, choose, is_array, plain, wrap64
from tondo.ir import INT64, DType

BinaryFunction = Callable[[Value, Value], Value]


def _floordiv(a: Value, b: Value) -> Value:
    if type(a) is int and type(b) is int:
        return wrap64(a // b) if b else 0
    return np.floor_divide(a, b)


def _floormod(a: Value, b: Value) -> Value:
    if type(a) is int and type(b) is int:
        return a % b if b else 0
    return np.mod(a, b)


def _truncdiv(a: Value, b: Value) -> Value:
    if type(a) is int and type(b) is int:
        return wrap64(abs(a) // abs(b) * (1 if (a >= 0) == (b >= 0) else -1)) if b else 0
    return np.floor_divide(a - np.fmod(a, b), b)


def _truncmod(a: Value, b: Value) -> Value:
    if type(a) is int and type(b) is int:
        return abs(a) % abs(b) * (1 if a >= 0 else -1) if b else 0
    return np.fmod(a, b)


def minimum(a: Value, b: Value) -> Value:
    """Return ``a if a < b else b``, lane by lane."""
    if is_array(a) or is_array(b):
        return choose(a < b, a, b)
    return a if a < b else b


def maximum(a: Value, b: Value) -> Value:
    """Return ``a if a > b else b``, lane by lane."""
    if is_array(a) or is_array(b):
        return choose(a > b, a, b)
    return a if a > b else b


_COMMON: Final[dict[str, BinaryFunction]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "min": minimum,
    "max": maximum,
    "floordiv": _floordiv,
    "floormod": _floormod,
    "pow": np.power,
    "xor": lambda a, b: a ^ b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
}
_INTEGER: Final[dict[str, BinaryFunction]] = {
    **_COMMON,
    "div": _truncdiv,
    "truncdiv": _truncdiv,
    "truncmod": _truncmod,
    "shl": lambda a, b: wrap64(a << b),
    "shr": lambda a, b: a >> b,
}
_INDEX: Final[dict[str, BinaryFunction]] = {
    **_INTEGER,
    "add": lambda a, b: wrap64(a + b),
    "sub": lambda a, b: wrap64(a - b),
    "mul": lambda a, b: wrap64(a * b),
}
_FLOAT: Final[dict[str, BinaryFunction]] = {
    **_COMMON,
    "div": np.true_divide,
    "truncdiv": lambda a, b: np.trunc(a / b),
    "truncmod": np.fmod,
}
_COMPARE: Final[dict[str, BinaryFunction]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def binary_function(op: str, dtype: DType) -> BinaryFunction:
    """Return the function of a binary operator on operands of ``dtype``."""
    if dtype.is_float:
        return _FLOAT[op]
    return _INDEX[op] if dtype.element == INT64 else _INTEGER[op]


def compare_function(op: str) -> BinaryFunction:
    """Return the function of a comparison."""
    return _COMPARE[op]


def unary_function(op: str, dtype: DType) -> Callable[[Value], Value]:
    """Return the function of a unary operator."""
    if op == "neg":
        return (lambda a: wrap64(-a)) if dtype.element == INT64 else operator.neg
    if dtype.is_bool:
        return lambda a: np.logical_not(a) if is_array(a) else not a
    return operator.invert


def convert(value: Value, source: DType, target: DType) -> Value:
    """Return ``value`` of type ``source`` as ``target``."""
    array = np.asarray(value, source.numpy)
    if target.is_bool:
        result = array != 0
    elif source.is_float and target.is_integer and target.bits >= 8:
        result = np.trunc(array.astype(np.float64)) if source.bits < 32 else np.trunc(array)
        result = result.astype(target.numpy)
    else:
        result = array.astype(target.numpy)
    return result if result.ndim else plain(result[()], target.element if target.lanes > 1 else target)
