"""Signatures of plain C functions, and their arguments as the tagged values of a call.

Form: ``float32*, const float32*, int64, double -> status``. A parameter is a number (``bool``, ``int8`` to ``uint64``,
``float32`` or ``float``, ``float64`` or ``double``), a tensor of an element type (``float32*``: a row-major tensor in
CPU memory), any pointer (``void*``: a tensor of any type, a pointer, or None) or a text (``char*``). The result is
``void``, a number, or ``status``: an int that is zero for success. Structures, other pointers and pointers as results
are refused.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

import numpy as np

from tondo_runtime.dtypes import NAMES, dtype_of
from tondo_runtime.errors import fail
from tondo_runtime.tensors import Array, is_array, is_plain
from tondo_runtime.values import Pointer, Value

Kind = Literal["bool", "int", "uint", "float", "tensor", "pointer", "text", "status", "void"]

_ALIASES: Final = {"float": "float32", "double": "float64", "int": "int32", "long": "int64", "size_t": "uint64"}
_NUMBER: Final = re.compile(r"(bool|(u?int)(8|16|32|64)|(float)(32|64))")
_CTYPES: Final = {
    "bool": ctypes.c_bool,
    "int8": ctypes.c_int8,
    "int16": ctypes.c_int16,
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "uint8": ctypes.c_uint8,
    "uint16": ctypes.c_uint16,
    "uint32": ctypes.c_uint32,
    "uint64": ctypes.c_uint64,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}
CValue: TypeAlias = int | float | bool | bytes | None


@dataclass(frozen=True, slots=True)
class CType:
    """A parameter or a result.

    Attributes:
        kind: what it is.
        name: name of the number or of the elements of a tensor, otherwise empty.
    """

    kind: Kind
    name: str = ""

    @property
    def bits(self) -> int:
        """Width of a number."""
        return dtype_of(self.name).bits

    @property
    def ctype(self) -> type | None:
        """How ctypes calls it."""
        match self.kind:
            case "void":
                return None
            case "status":
                return ctypes.c_int
            case "text":
                return ctypes.c_char_p
            case "tensor" | "pointer":
                return ctypes.c_void_p
            case _:
                return _CTYPES[self.name]

    def __str__(self) -> str:
        """Return the form that :meth:`Signature.parse` reads."""
        match self.kind:
            case "tensor":
                return f"{self.name}*"
            case "pointer":
                return "void*"
            case "text":
                return "char*"
            case "void" | "status":
                return self.kind
            case _:
                return self.name


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameters and result of a C function."""

    params: tuple[CType, ...]
    result: CType

    @classmethod
    def parse(cls, text: str) -> Signature:
        """Read a signature.

        Example:
            >>> print(Signature.parse("(float*, const float*, int64) -> status"))
            float32*, float32*, int64 -> status

        Raises:
            RuntimeFailure: TND-U005 for another form.
        """
        left, arrow, right = text.partition("->")
        left = left.strip().removeprefix("(").removesuffix(")").strip()
        words = [] if left in {"", "void"} else left.split(",")
        result = _type(right, text) if arrow else CType("void")
        if result.kind in {"tensor", "pointer", "text"}:
            fail("TND-U005", f"'{text}': a pointer as a result has no known owner", help="write into an argument")
        params = tuple(_type(word, text) for word in words)
        if any(param.kind in {"void", "status"} for param in params):
            fail("TND-U005", f"'{text}': a parameter is a number or a pointer")
        return cls(params, result)

    def __str__(self) -> str:
        """Return the form that :meth:`parse` reads."""
        return f"{', '.join(map(str, self.params))} -> {self.result}"

    def arguments(self, name: str, values: Sequence[Value]) -> list[CValue]:
        """Return ``values`` as ctypes takes them; the values have to stay alive during the call.

        Raises:
            RuntimeFailure: TND-U005 or TND-U003 for values that do not fit.
        """
        if len(values) != len(self.params):
            fail("TND-U005", f"'{name}' takes {len(self.params)} arguments, not {len(values)}", notes=(str(self),))
        return [
            _argument(f"argument {place} of '{name}'", param, value)
            for place, (param, value) in enumerate(zip(self.params, values, strict=True))
        ]


def _type(word: str, text: str) -> CType:
    words = word.replace("*", " * ").split()
    words = [part for part in words if part != "const"]
    name = _ALIASES.get(words[0], words[0]) if words else ""
    if words[1:] == ["*"]:
        if name == "void":
            return CType("pointer")
        if name == "char":
            return CType("text")
        if name in NAMES:
            return CType("tensor", name)
    if len(words) == 1:
        if name == "void" or name == "status":
            return CType(cast("Kind", name))
        found = _NUMBER.fullmatch(name)
        if found is not None:
            return CType(cast("Kind", found[2] or found[4] or "bool"), name)
    fail(
        "TND-U005",
        f"'{word.strip()}' in the signature '{text}' is no type of a C function that can be called",
        help="write for example 'float32*, const float32*, int64 -> status'",
    )
    return None


def _argument(what: str, param: CType, value: Value) -> CValue:
    match param.kind:
        case "tensor":
            if not is_array(value):
                fail("TND-U005", f"{what} is a {type(value).__name__}, not a tensor of {param.name}")
            return _data(what, value, dtype_of(param.name).numpy)
        case "pointer":
            if value is None or isinstance(value, Pointer):
                return value
            if not is_array(value):
                fail("TND-U005", f"{what} is a {type(value).__name__}, not a tensor or a pointer")
            return _data(what, value, value.dtype)
        case "text":
            if not isinstance(value, str):
                fail("TND-U005", f"{what} is a {type(value).__name__}, not a text")
            return value.encode()
        case _:
            return _number(what, param, value)


def _data(what: str, array: Array, dtype: np.dtype[np.generic]) -> int:
    if array.dtype != dtype:
        fail("TND-U003", f"{what} has element type {array.dtype}, not {dtype}")
    if not is_plain(array):
        fail("TND-U005", f"{what} is not row-major", help="pass numpy.ascontiguousarray(...)")
    return array.ctypes.data


def _number(what: str, param: CType, value: Value) -> CValue:
    if not isinstance(value, int | float) or (isinstance(value, float) and param.kind != "float"):
        fail("TND-U005", f"{what} is a {type(value).__name__}, not a {param.name}")
    if param.kind == "float":
        return float(value)
    if param.kind == "bool":
        return bool(value)
    low, high = (
        (-(1 << param.bits - 1), (1 << param.bits - 1) - 1) if param.kind == "int" else (0, (1 << param.bits) - 1)
    )
    # Tagged integers have 64 bits and a sign: the upper half of uint64 arrives as negative numbers.
    if not (low <= value <= high or (param.name == "uint64" and value < 0)):
        fail("TND-U005", f"{what} is {value}, which does not fit {param.name}")
    return int(value)
