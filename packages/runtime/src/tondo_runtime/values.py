"""Python values to tagged 16-byte values and back.

Arguments are borrowed: a tensor, text or bytes argument points into memory of the caller. Results are owned: none,
bool, int, float, pointers, element types, devices, texts and bytes of at most 7 bytes; others need an
:class:`~tondo_runtime.bridge.ObjectBridge`. Without one a foreign function returns tensors by writing into the ones it
was given.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from tondo_runtime.abi import FIRST_OBJECT, SMALL_BYTES_LIMIT, AnyValue, ByteArray, DLTensor, TypeIndex
from tondo_runtime.bridge import load_object, object_bridge
from tondo_runtime.dims import INT64_MAX, INT64_MIN
from tondo_runtime.dtypes import dtype_of_array, dtype_of_code
from tondo_runtime.errors import fail
from tondo_runtime.tensors import Array, SupportsDLPack, array_from_dlpack, array_over, is_array, view_array


class Pointer(int):
    """An address that means something to foreign code only."""

    __slots__ = ()


class Device(NamedTuple):
    """A device as DLPack numbers them.

    Attributes:
        kind: DLPack device type, 1 for the CPU.
        number: which of that type.
    """

    kind: int
    number: int = 0


Value: TypeAlias = bool | int | float | str | bytes | Array | Device | np.dtype[np.generic] | tuple[object, ...] | None
"""What a foreign function can receive: plain values, texts, bytes, arrays, a device, an element type; and tuples and
callables where a bridge translates objects."""


@dataclass(slots=True)
class PackedArgs:
    """Tagged arguments and everything they point to."""

    table: ctypes.Array[AnyValue]
    keep: list[object]

    @property
    def address(self) -> int:
        """Address of the first value."""
        return ctypes.addressof(self.table)


class _Owned:
    """Gives back an object that was made for an argument."""

    __slots__ = ("_value",)

    def __init__(self, value: AnyValue) -> None:
        self._value = int(value.payload.v_ptr or 0)

    def __del__(self) -> None:
        bridge = object_bridge()
        if bridge is not None:
            _Release(bridge.release_address)(self._value)


_Release = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


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


def load_value(value: AnyValue, *, owned: bool = False) -> Value:
    """Return one tagged value as a Python value; an object is given away with it if ``owned``.

    Raises:
        RuntimeFailure: TND-U005 for a type code that has no Python value.
    """
    payload = value.payload
    match value.type_index:
        case TypeIndex.NONE:
            return None
        case TypeIndex.INT:
            return int(payload.v_int64)
        case TypeIndex.OPAQUE_PTR:
            return Pointer(payload.v_ptr or 0)
        case TypeIndex.BOOL:
            return bool(payload.v_int64)
        case TypeIndex.FLOAT:
            return float(payload.v_float64)
        case TypeIndex.DATA_TYPE:
            code = payload.v_dtype
            return dtype_of_code(code.code, code.bits, code.lanes).numpy
        case TypeIndex.DEVICE:
            return Device(int(payload.v_device.device_type), int(payload.v_device.device_id))
        case TypeIndex.DL_TENSOR_PTR:
            return array_over(DLTensor.from_address(payload.v_ptr))
        case TypeIndex.RAW_STR:
            return _text(ctypes.string_at(payload.v_ptr))
        case TypeIndex.BYTE_ARRAY_PTR:
            array = ByteArray.from_address(payload.v_ptr)
            return ctypes.string_at(array.data or 0, array.size) if array.size else b""
        case TypeIndex.SMALL_STR:
            return _text(_small(value))
        case TypeIndex.SMALL_BYTES:
            return _small(value)
        case code if code >= FIRST_OBJECT:
            return cast("Value", load_object(value, owned=owned))
        case code:
            fail("TND-U005", f"a value of type code {code} cannot be passed to Python")
    return None


def store_result(address: int | None, value: object) -> None:
    """Write the result of a Python function as an owned tagged value.

    Raises:
        RuntimeFailure: TND-U005 for a value that nobody can own.
    """
    slot = AnyValue.from_address(address or 0)
    if _store_plain(slot, value):
        return
    bridge = object_bridge()
    if bridge is not None and bridge.store(slot, value):
        return
    fail(
        "TND-U005",
        f"a foreign function returned a {type(value).__name__}",
        notes=(f"a text of more than {SMALL_BYTES_LIMIT} bytes needs an owner",) if isinstance(value, str) else (),
        help="return None, bool, int or float; write tensors into the arguments",
    )


def _store_arg(slot: AnyValue, value: object, keep: list[object]) -> None:
    if isinstance(value, str) and "\0" not in value:
        text = ctypes.create_string_buffer(value.encode())
        _store(slot, TypeIndex.RAW_STR).v_ptr = ctypes.addressof(text)
        keep.append(text)
    elif isinstance(value, bytes):
        _store_bytes(slot, value, keep)
    elif _store_plain(slot, value):
        return
    elif is_array(value):
        _store_array(slot, value, keep)
    elif isinstance(value, SupportsDLPack):
        _store_array(slot, array_from_dlpack(value), keep)
    else:
        bridge = object_bridge()
        if bridge is None or not bridge.store(slot, value):
            notes = ("a text with a zero character has no borrowed form",) if isinstance(value, str) else ()
            fail("TND-U005", f"a {type(value).__name__} cannot be passed to a foreign function", notes=notes)
        if slot.type_index >= FIRST_OBJECT:
            keep.append(_Owned(slot))


def _store_array(slot: AnyValue, array: Array, keep: list[object]) -> None:
    view = view_array(array)
    _store(slot, TypeIndex.DL_TENSOR_PTR).v_ptr = view.address
    keep.extend((array, view))


def _store_bytes(slot: AnyValue, data: bytes, keep: list[object]) -> None:
    content = ctypes.create_string_buffer(data, len(data) + 1)
    array = ByteArray(ctypes.addressof(content), len(data))
    _store(slot, TypeIndex.BYTE_ARRAY_PTR).v_ptr = ctypes.addressof(array)
    keep.extend((content, array))


def _store_plain(slot: AnyValue, value: object) -> bool:
    """Write a value that needs no memory besides its 16 bytes; False if it is none."""
    match value:
        case None:
            _store(slot, TypeIndex.NONE).v_int64 = 0
        case bool() | np.bool_():
            _store(slot, TypeIndex.BOOL).v_int64 = int(value)
        case Pointer():
            _store(slot, TypeIndex.OPAQUE_PTR).v_ptr = int(value)
        case int() | np.integer():
            number = int(value)
            if not INT64_MIN <= number <= INT64_MAX:
                fail("TND-U005", f"the integer {number} does not fit 64 bits")
            _store(slot, TypeIndex.INT).v_int64 = number
        case float() | np.floating():
            _store(slot, TypeIndex.FLOAT).v_float64 = float(value)
        case Device():
            device = _store(slot, TypeIndex.DEVICE).v_device
            device.device_type, device.device_id = value
        case np.dtype():
            _store_dtype(slot, value)
        case str() | bytes():
            return _store_small(slot, value)
        case _:
            return False
    return True


def _store_small(slot: AnyValue, value: str | bytes) -> bool:
    data = value.encode() if isinstance(value, str) else value
    if len(data) > SMALL_BYTES_LIMIT:
        return False
    payload = _store(slot, TypeIndex.SMALL_STR if isinstance(value, str) else TypeIndex.SMALL_BYTES)
    payload.v_bytes[: len(data)] = data
    slot.zero_padding = len(data)
    return True


def _small(value: AnyValue) -> bytes:
    if value.zero_padding > SMALL_BYTES_LIMIT:
        fail("TND-U005", f"a small text of {value.zero_padding} bytes is damaged")
    return bytes(value.payload.v_bytes[: value.zero_padding])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


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
