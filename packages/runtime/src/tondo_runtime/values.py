"""Python values to tagged 16-byte values and back.

Arguments are borrowed: a tensor or string argument points into memory of the caller. Results are values only
(none, bool, int, float); a foreign function returns tensors by writing into the ones it was given.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np

from tondo_runtime.abi import AnyValue, DLTensor, TypeIndex
from tondo_runtime.dims import INT64_MAX, INT64_MIN
from tondo_runtime.dtypes import dtype_of_array, dtype_of_code
from tondo_runtime.errors import fail
from tondo_runtime.tensors import Array, SupportsDLPack, array_from_dlpack, array_over, is_array, view_array

Value: TypeAlias = bool | int | float | str | Array | tuple[int, int] | np.dtype[np.generic] | None
"""What a foreign function can receive: plain values, strings, arrays, a device, an element type."""


@dataclass(slots=True)
class PackedArgs:
    """Tagged arguments and everything they point to."""

    table: ctypes.Array[AnyValue]
    keep: list[object]

    @property
    def address(self) -> int:
        """Address of the first value."""
        return ctypes.addressof(self.table)


def pack_args(args: Sequence[object]) -> PackedArgs:
    """Return ``args`` as a table of tagged values.

    Raises:
        RuntimeFailure: TND-U003 or TND-U005 for a value that cannot be passed.
    """
    packed = PackedArgs((AnyValue * len(args))(), [])
    for slot, value in zip(packed.table, args, strict=True):
        _store_arg(slot, value, packed.keep)
    return packed


def load_args(address: int | None, count: int) -> list[Value]:
    """Return the tagged values at ``address`` as Python values; tensors become writable arrays without a copy."""
    if not count:
        return []
    return [load_value(value) for value in (AnyValue * count).from_address(address or 0)]


def load_value(value: AnyValue) -> Value:
    """Return one tagged value as a Python value.

    Raises:
        RuntimeFailure: TND-U005 for an unknown type code.
    """
    if value.type_index not in tuple(TypeIndex):
        fail("TND-U005", f"a value of type code {value.type_index} cannot be passed to Python")
    payload = value.payload
    match value.type_index:
        case TypeIndex.NONE:
            return None
        case TypeIndex.INT | TypeIndex.OPAQUE_PTR:
            return int(payload.v_int64)
        case TypeIndex.BOOL:
            return bool(payload.v_int64)
        case TypeIndex.FLOAT:
            return float(payload.v_float64)
        case TypeIndex.DATA_TYPE:
            code = payload.v_dtype
            return dtype_of_code(code.code, code.bits, code.lanes).numpy
        case TypeIndex.DEVICE:
            return (int(payload.v_device.device_type), int(payload.v_device.device_id))
        case TypeIndex.DL_TENSOR_PTR:
            return array_over(DLTensor.from_address(payload.v_ptr))
        case _:
            return ctypes.string_at(payload.v_ptr).decode("utf-8", "replace")


def store_result(address: int | None, value: object) -> None:
    """Write the result of a Python function as an owned tagged value.

    Raises:
        RuntimeFailure: TND-U005 if it is not none, a bool, an int or a float.
    """
    slot = AnyValue.from_address(address or 0)
    if not _store_plain(slot, value):
        fail(
            "TND-U005",
            f"a foreign function returned a {type(value).__name__}",
            help="return None, bool, int or float; write tensors into the arguments",
        )


def _store_arg(slot: AnyValue, value: object, keep: list[object]) -> None:
    if _store_plain(slot, value):
        return
    if isinstance(value, str):
        text = ctypes.create_string_buffer(value.encode())
        _store(slot, TypeIndex.RAW_STR).v_ptr = ctypes.addressof(text)
        keep.append(text)
    elif isinstance(value, np.dtype):
        _store_dtype(slot, cast("np.dtype[np.generic]", value))
    elif is_array(value):
        _store_array(slot, value, keep)
    elif isinstance(value, SupportsDLPack):
        _store_array(slot, array_from_dlpack(value), keep)
    else:
        fail("TND-U005", f"a {type(value).__name__} cannot be passed to a foreign function")


def _store_array(slot: AnyValue, array: Array, keep: list[object]) -> None:
    view = view_array(array)
    _store(slot, TypeIndex.DL_TENSOR_PTR).v_ptr = view.address
    keep.extend((array, view))


def _store_plain(slot: AnyValue, value: object) -> bool:
    match value:
        case None:
            _store(slot, TypeIndex.NONE).v_int64 = 0
        case bool() | np.bool_():
            _store(slot, TypeIndex.BOOL).v_int64 = int(value)
        case int() | np.integer():
            number = int(value)
            if not INT64_MIN <= number <= INT64_MAX:
                fail("TND-U005", f"the integer {number} does not fit 64 bits")
            _store(slot, TypeIndex.INT).v_int64 = number
        case float() | np.floating():
            _store(slot, TypeIndex.FLOAT).v_float64 = float(value)
        case _:
            return False
    return True


def _store_dtype(slot: AnyValue, value: np.dtype[np.generic]) -> None:
    dtype = dtype_of_array(value)
    if dtype is None:
        fail("TND-U003", f"unsupported element type '{value}'")
    code = _store(slot, TypeIndex.DATA_TYPE).v_dtype
    code.code, code.bits, code.lanes = dtype.code, dtype.bits, 1


def _store(slot: AnyValue, type_index: TypeIndex) -> ctypes.Union:
    slot.type_index = int(type_index)
    slot.zero_padding = 0
    slot.payload.v_int64 = 0
    return slot.payload
