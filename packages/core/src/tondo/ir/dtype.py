"""Element types with vector lanes, by their DLPack kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, cast

import ml_dtypes
import numpy as np

Kind = Literal[
    "bool",
    "int",
    "uint",
    "float",
    "bfloat",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn",
    "complex",
    "handle",
]

_PATTERN = re.compile(
    r"(?:(bool)|(handle)|(float8_e4m3fnuz|float8_e4m3fn|float8_e5m2fnuz|float8_e5m2|float8_e8m0fnu|float4_e2m1fn)"
    r"|(int|uint|float|bfloat|complex)(\d+))(?:x(\d+))?"
)
_ALLOWED: Final[dict[str, tuple[int, ...]]] = {
    "int": (2, 4, 8, 16, 32, 64),
    "uint": (2, 4, 8, 16, 32, 64),
    "float": (16, 32, 64),
    "bfloat": (16,),
    "complex": (64, 128),
}


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: ``kind``, ``bits`` of one lane, number of ``lanes`` (1: scalar)."""

    kind: Kind
    bits: int
    lanes: int = 1

    def __str__(self) -> str:
        """Return the name: ``float32``, ``int64x8``, ``bool``."""
        base = (
            self.kind
            if self.kind in {"bool", "handle"} or self.kind.startswith(("float8", "float4"))
            else f"{self.kind}{self.bits}"
        )
        return base if self.lanes == 1 else f"{base}x{self.lanes}"

    __repr__ = __str__

    @property
    def element(self) -> DType:
        """The same type with one lane."""
        return self if self.lanes == 1 else DType(self.kind, self.bits)

    def with_lanes(self, lanes: int) -> DType:
        """Return the same element type with ``lanes`` lanes."""
        return self if lanes == self.lanes else DType(self.kind, self.bits, lanes)

    @property
    def is_float(self) -> bool:
        """Whether values are real floating-point numbers of any width."""
        return self.kind == "bfloat" or self.kind.startswith("float")

    @property
    def is_integer(self) -> bool:
        """Whether values are signed or unsigned integers (bool is not)."""
        return self.kind in {"int", "uint"}

    @property
    def is_bool(self) -> bool:
        """Whether values are truth values."""
        return self.kind == "bool"

    @property
    def bytes(self) -> int:
        """Bytes of one lane in memory (sub-byte types take one byte here; bool takes one)."""
        return max(1, self.bits // 8)

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy (or ml_dtypes) dtype of one lane."""
        return _numpy(str(self.element))


@cache
def _numpy(name: str) -> np.dtype[np.generic]:
    if name == "handle":
        return np.dtype(np.uint64)
    try:
        return np.dtype(name)
    except TypeError:
        return np.dtype(getattr(ml_dtypes, name))


@cache
def dtype(name: str | DType | np.dtype[np.generic]) -> DType:
    """Return the :class:`DType` of a name such as ``"float32"``, ``"int8x16"``, or of a numpy dtype.

    Raises:
        ValueError: if the name is not one of a supported type.
    """
    if isinstance(name, DType):
        return name
    text = name if isinstance(name, str) else str(np.dtype(name).name)
    match = _PATTERN.fullmatch(text)
    if match is None:
        msg = f"unknown dtype {text!r}"
        raise ValueError(msg)
    is_bool, is_handle, tiny, kind, bits, lanes = cast("tuple[str, str, Kind, Kind, str, str]", match.groups())
    count = int(lanes) if lanes else 1
    if is_bool:
        return DType("bool", 8, count)
    if is_handle:
        return DType("handle", 64, count)
    if tiny:
        return DType(tiny, 4 if tiny.startswith("float4") else 8, count)
    if int(bits) not in _ALLOWED[kind]:
        msg = f"unknown dtype {text!r}"
        raise ValueError(msg)
    return DType(kind, int(bits), count)


BOOL: Final = DType("bool", 8)
INT8: Final = DType("int", 8)
INT32: Final = DType("int", 32)
INT64: Final = DType("int", 64)
UINT8: Final = DType("uint", 8)
FLOAT32: Final = DType("float", 32)
FLOAT64: Final = DType("float", 64)
HANDLE: Final = DType("handle", 64)
