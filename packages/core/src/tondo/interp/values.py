"""How values are held: int64 and bool scalars as Python numbers, all else in numpy's exact dtype.

A scalar expression evaluates to one number or, when loops are run as array axes, to an array that broadcasts over
them; a vector expression to a one-dimensional array of its lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tondo.ir import BOOL, INT64, DType
from tondo_runtime.frame import aligned_empty

Value: TypeAlias = Any
"""A Python number, a numpy scalar or an array: what numpy's operators accept and return."""

_POISON_BYTE = 0xA5
_INT64 = 1 << 63


def constant(value: float | bool, dtype: DType) -> Value:
    """Return a literal."""
    if dtype in {INT64, BOOL}:
        return value
    return np.array(value).astype(dtype.numpy)[()]


def plain(value: Value, dtype: DType) -> Value:
    """Return a numpy scalar of ``dtype`` as it is held here."""
    if dtype == INT64:
        return int(value)
    return bool(value) if dtype == BOOL else value


def wrap64(value: Value) -> Value:
    """Return a Python int reduced to 64 bits; arrays wrap by themselves."""
    if type(value) is not int or -_INT64 <= value < _INT64:
        return value
    return (value + _INT64) % (2 * _INT64) - _INT64


def is_array(value: Value) -> bool:
    """Whether ``value`` has axes."""
    return isinstance(value, np.ndarray) and value.ndim > 0


def poisoned(shape: Sequence[int], dtype: DType) -> np.ndarray:
    """Return memory that shows missing writes: NaN, or an integer made of bytes 0xA5.

    It is aligned as sessions want constants, so that the result of constant folding becomes a weight without a copy.
    """
    extents, numpy_type = tuple(shape), dtype.numpy
    count = int(np.prod(extents, dtype=np.int64))
    array, _ = aligned_empty(extents, numpy_type, count * numpy_type.itemsize)
    if dtype.is_float:
        array.fill(np.nan)
    elif dtype.is_bool:
        array.fill(True)
    elif dtype.bits < 8 or dtype.kind == "complex":
        array.fill(0)
    else:
        array.reshape(-1).view(np.uint8).fill(_POISON_BYTE)
    return array


def choose(condition: Value, a: Value, b: Value) -> np.ndarray:
    """Return ``a`` where ``condition`` holds, else ``b``."""
    return np.where(np.asarray(condition), np.asarray(a), np.asarray(b))
