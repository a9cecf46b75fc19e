"""The C structures and function types shared with generated code, as ctypes types.

Three groups: the tagged 16-byte value and the ``DLTensor`` view (value layout of the open tvm-ffi ABI and of
DLPack), the call context that generated code receives, and the records of a profile. Little endian, 64-bit.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable
from typing import cast

ABI_VERSION = 1


class TypeIndex(enum.IntEnum):
    """Type codes of a tagged value; see :class:`ObjectIndex` for those of 64 and above.

    ``RAW_STR`` and ``BYTE_ARRAY_PTR`` are borrowed and only occur in arguments; the small ones hold up to 7 bytes.
    """

    NONE = 0
    INT = 1
    BOOL = 2
    FLOAT = 3
    OPAQUE_PTR = 4
    DATA_TYPE = 5
    DEVICE = 6
    DL_TENSOR_PTR = 7
    RAW_STR = 8
    BYTE_ARRAY_PTR = 9
    SMALL_STR = 11
    SMALL_BYTES = 12


class ObjectIndex(enum.IntEnum):
    """Type codes of reference-counted objects of a foreign runtime; types that it makes itself have 128 and above."""

    OBJECT = 64
    STR = 65
    BYTES = 66
    ERROR = 67
    FUNCTION = 68
    SHAPE = 69
    TENSOR = 70
    ARRAY = 71
    MAP = 72
    MODULE = 73


FIRST_OBJECT = int(ObjectIndex.OBJECT)
OBJECT_HEADER = 24
"""Bytes of an object before its content: reference counts, type code, deleter."""
SMALL_BYTES_LIMIT = 7
"""Most bytes that a small text or small bytes hold; a zero follows."""


class DeviceType(enum.IntEnum):
    """DLPack device kinds whose memory the CPU can address."""

    CPU = 1
    CUDA_HOST = 3
    ROCM_HOST = 11


class DLDataType(ctypes.Structure):
    """Element type of a tensor: DLPack code, bits, lanes (4 bytes)."""

    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class DLDevice(ctypes.Structure):
    """Device of a tensor (8 bytes)."""

    _fields_ = (("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32))


class DLTensor(ctypes.Structure):
    """A view of a tensor (48 bytes): shape and strides count elements, ``byte_offset`` counts bytes."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DLDataType),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    )


class ByteArray(ctypes.Structure):
    """Borrowed bytes (16 bytes): where and how many."""

    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t))


class AnyPayload(ctypes.Union):
    """The 8-byte payload of a tagged value."""

    _fields_ = (
        ("v_int64", ctypes.c_int64),
        ("v_float64", ctypes.c_double),
        ("v_ptr", ctypes.c_void_p),
        ("v_dtype", DLDataType),
        ("v_device", DLDevice),
        ("v_bytes", ctypes.c_uint8 * 8),
    )


class AnyValue(ctypes.Structure):
    """A tagged value (16 bytes); unused payload bytes are zero. The padding holds the length of a small text."""

    _fields_ = (("type_index", ctypes.c_int32), ("zero_padding", ctypes.c_uint32), ("payload", AnyPayload))


class PackedEntry(ctypes.Structure):
    """One row of the context's table of foreign functions (16 bytes)."""

    _fields_ = (("safe_call", ctypes.c_void_p), ("handle", ctypes.c_void_p))


class ProfileRecord(ctypes.Structure):
    """One kernel execution (24 bytes): position in ``manifest.kernels``, begin and end in nanoseconds."""

    _fields_ = (("kernel_index", ctypes.c_int64), ("begin_ns", ctypes.c_int64), ("end_ns", ctypes.c_int64))


class ProfileBuffer(ctypes.Structure):
    """Where generated code appends records; ``count`` may exceed ``capacity``, the surplus is lost."""

    _fields_ = (("count", ctypes.c_int64), ("capacity", ctypes.c_int64), ("records", ctypes.c_void_p))


class SlotEntry(ctypes.Structure):
    """Memory of a call by number (16 bytes): 64-byte aligned, its size in bytes; null while it has none."""

    _fields_ = (("memory", ctypes.c_void_p), ("capacity", ctypes.c_int64))


class Context(ctypes.Structure):
    """What generated code knows of its caller (88 bytes); one per call in flight.

    ``slots`` is a table of :class:`SlotEntry`; ``reserve`` makes one of them larger. ``release`` gives back an object
    that a foreign function returned; null where nobody knows about objects.
    """

    _fields_ = (
        ("abi_version", ctypes.c_int32),
        ("num_threads", ctypes.c_int32),
        ("parallel_for", ctypes.c_void_p),
        ("pool", ctypes.c_void_p),
        ("packed", ctypes.c_void_p),
        ("profile", ctypes.c_void_p),
        ("clock_ns", ctypes.c_void_p),
        ("set_error", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
        ("slots", ctypes.c_void_p),
        ("reserve", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
    )


SafeCall = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)
"""``int f(void* handle, const Any* args, int32 n, Any* result)``: entry points and foreign functions."""

ParallelBody = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
"""``int32 body(void* closure, int64 begin, int64 end)``."""

ParallelFor = ctypes.CFUNCTYPE(
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_int32,
)
"""``int32 parallel_for(void* pool, body, void* closure, int64 count, int64 grain, int32 num_threads)``."""

ClockNs = ctypes.CFUNCTYPE(ctypes.c_int64)
"""``int64 clock_ns(void)``."""

SetError = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
"""``void set_error(void* ctx, const char* kind, const char* message)``."""

Reserve = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
"""``void* reserve(void* ctx, int64 slot, int64 bytes)``: memory of the slot, ``bytes`` or more; null: none left."""

PoolCreate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int32)
PoolDestroy = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
PoolVersion = ctypes.CFUNCTYPE(ctypes.c_int32)


def address_of(function: Callable[..., object]) -> int:
    """Return the machine address behind a ctypes function object."""
    return ctypes.cast(cast("ctypes.c_void_p", function), ctypes.c_void_p).value or 0
