"""When sorting is left to the runtime: comparing every pair of elements takes steps by the square of their number."""

from __future__ import annotations

from typing import Final

from tondo.ir import Const, Expr, dtype
from tondo_onnx.build.values import Value

_NAMES: Final = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_SORTABLE: Final = frozenset(dtype(name) for name in (*_NAMES, "float16", "float32", "float64"))
_FEW: Final = 64
"""So many elements are compared pair by pair faster than the runtime is called."""


def is_sorted_by_runtime(value: Value, count: Expr) -> bool:
    """Return whether ``count`` elements of ``value`` are sorted by a function of the runtime."""
    return value.dtype in _SORTABLE and not (isinstance(count, Const) and count.value <= _FEW)
