"""Element types: their name, their DLPack code and the numpy type that carries them.

numpy has no bfloat16, float8, float4 and no integers below a byte. If ``ml_dtypes`` is installed its types carry them;
otherwise an unsigned integer of the same size does (raw bits), so that a deployment without ``ml_dtypes`` still runs
such models. Elements of less than a byte take one byte each, the value in its low bits, as ``ml_dtypes`` holds them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from dataclasses import dataclass

import numpy as np

from tondo_runtime.errors import fail, suggest

_INT, _UINT, _FLOAT, _BFLOAT, _BOOL = 0, 1, 2, 4, 6
_E4M3FN, _E4M3FNUZ, _E5M2, _E5M2FNUZ, _E8M0FNU, _E2M1FN = 10, 11, 12, 13, 14, 17


@dataclass(frozen=True, slots=True)
class DType:
    """One element type.

    Attributes:
        name: numpy's name of the type (``float32``, ``bfloat16``...).
        code: DLPack type code (DLDataTypeCode).
        bits: width in bits.
        numpy: the numpy type of arrays that hold such elements, a whole number of bytes wide.
    """

    name: str
    code: int
    bits: int
    numpy: np.dtype[np.generic]

    @property
    def itemsize(self) -> int:
        """Bytes of one element in memory."""
        return max(1, self.bits // 8)


_PLAIN: dict[str, tuple[int, int]] = {
    "bool": (_BOOL, 8),
    "int8": (_INT, 8),
    "int16": (_INT, 16),
    "int32": (_INT, 32),
    "int64": (_INT, 64),
    "uint8": (_UINT, 8),
    "uint16": (_UINT, 16),
    "uint32": (_UINT, 32),
    "uint64": (_UINT, 64),
    "float16": (_FLOAT, 16),
    "float32": (_FLOAT, 32),
    "float64": (_FLOAT, 64),
}
_EXTENDED: dict[str, tuple[int, int]] = {
    "bfloat16": (_BFLOAT, 16),
    "float8_e4m3fn": (_E4M3FN, 8),
    "float8_e4m3fnuz": (_E4M3FNUZ, 8),
    "float8_e5m2": (_E5M2, 8),
    "float8_e5m2fnuz": (_E5M2FNUZ, 8),
    "float8_e8m0fnu": (_E8M0FNU, 8),
    "float4_e2m1fn": (_E2M1FN, 4),
    "int4": (_INT, 4),
    "uint4": (_UINT, 4),
    "int2": (_INT, 2),
    "uint2": (_UINT, 2),
}
NAMES: tuple[str, ...] = (*_PLAIN, *_EXTENDED)
"""Names of all element types that the runtime can carry."""

_BY_CODE = {code: name for name, code in (_PLAIN | _EXTENDED).items()}


@functools.cache
def dtype_of(name: str) -> DType:
    """Return the element type called ``name``.

    Raises:
        RuntimeFailure: TND-U003 if there is no such type.
    """
    if name not in NAMES:
        fail("TND-U003", f"unsupported element type '{name}'", help=suggest(name, NAMES))
    if name in _PLAIN:
        code, bits = _PLAIN[name]
        return DType(name, code, bits, np.dtype(name))
    code, bits = _EXTENDED[name]
    return DType(name, code, bits, _carrier(name, bits))


def dtype_of_code(code: int, bits: int, lanes: int = 1) -> DType:
    """Return the element type of a DLPack ``(code, bits, lanes)`` triple.

    Raises:
        RuntimeFailure: TND-U003 if the runtime cannot carry it.
    """
    name = _BY_CODE.get((code, bits))
    if name is None or lanes != 1:
        fail("TND-U003", f"unsupported DLPack element type (code {code}, {bits} bits, {lanes} lanes)")
    return dtype_of(name)


def dtype_of_array(dtype: np.dtype[np.generic]) -> DType | None:
    """Return the element type of a numpy type in native byte order, or None if there is none."""
    if not dtype.isnative or dtype.name not in NAMES:
        return None
    return dtype_of(dtype.name)


def _carrier(name: str, bits: int) -> np.dtype[np.generic]:
    if importlib.util.find_spec("ml_dtypes") is None:
        return np.dtype(f"uint{max(8, bits)}")
    return np.dtype(getattr(importlib.import_module("ml_dtypes"), name))
