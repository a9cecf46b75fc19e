"""Tensors across the border: ``DLTensor`` views of arrays, arrays over ``DLTensor`` memory, DLPack capsules.

Nothing here copies. An array made over foreign memory is valid as long as that memory is; for DLPack objects the
array keeps the producer's memory alive. Both forms of DLPack are read, with and without version; what a producer marks
as read-only becomes a read-only array.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias, TypeGuard, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from tondo_runtime.abi import DeviceType, DLTensor
from tondo_runtime.dtypes import DType, dtype_of_array, dtype_of_code
from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from collections.abc import Sequence

Array: TypeAlias = npt.NDArray[np.generic]
MAX_RANK = 64
"""Largest rank that numpy can carry."""


@runtime_checkable
class SupportsDLPack(Protocol):
    """An object of the array-api's DLPack exchange protocol."""

    def __dlpack__(self) -> object:
        """Return a capsule named ``dltensor``, or ``dltensor_versioned`` if asked for ``max_version=(1, 0)``."""
        ...

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the device type and the device number."""
        ...


class _VersionedProducer(Protocol):
    """A producer that knows versions of DLPack."""

    def __dlpack__(self, *, max_version: tuple[int, int]) -> object: ...


class TensorView:
    """A ``DLTensor`` with its shape and strides arrays; the data is owned by somebody else."""

    __slots__ = ("_extents", "struct")

    def __init__(self, dtype: DType, shape: Sequence[int], data: int, strides: Sequence[int] | None = None) -> None:
        """Describe ``shape`` elements of ``dtype`` at address ``data``; ``strides`` count elements, default compact."""
        rank = len(shape)
        steps = compact_strides(shape) if strides is None else strides
        self._extents = (ctypes.c_int64 * (2 * rank))(*shape, *steps)
        base = ctypes.addressof(self._extents)
        self.struct = DLTensor()
        self.struct.data = data
        self.struct.device.device_type = int(DeviceType.CPU)
        self.struct.ndim = rank
        self.struct.dtype.code = dtype.code
        self.struct.dtype.bits = dtype.bits
        self.struct.dtype.lanes = 1
        self.struct.shape = base
        self.struct.strides = base + 8 * rank

    @property
    def address(self) -> int:
        """Address of the ``DLTensor``."""
        return ctypes.addressof(self.struct)


class _Memory:
    """Foreign memory as numpy's array interface describes it; numpy keeps this object as the array's base."""

    __slots__ = ("__array_interface__", "_keep")

    def __init__(self, interface: dict[str, object], keep: object) -> None:
        self.__array_interface__ = interface
        self._keep = keep


class _ManagedTensor(ctypes.Structure):
    _fields_ = (("tensor", DLTensor), ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class _VersionedTensor(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    )


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_READ_ONLY = 1


class _Owner:
    """Frees a consumed DLPack tensor through its producer's deleter."""

    __slots__ = ("_address", "_deleter")

    def __init__(self, managed: _ManagedTensor | _VersionedTensor) -> None:
        self._address = ctypes.addressof(managed)
        self._deleter = _Deleter(managed.deleter) if managed.deleter else None

    def __del__(self) -> None:
        if self._deleter is not None:
            self._deleter(self._address)


_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.argtypes, _capsule_pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
_capsule_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_capsule_is_valid.argtypes, _capsule_is_valid.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_int
_capsule_rename = ctypes.pythonapi.PyCapsule_SetName
_capsule_rename.argtypes, _capsule_rename.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_int
_NAME, _USED_NAME = b"dltensor", b"used_dltensor"
_VERSIONED, _USED_VERSIONED = b"dltensor_versioned", b"used_dltensor_versioned"


def compact_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Return row-major strides in elements."""
    steps = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        steps[axis] = steps[axis + 1] * max(shape[axis + 1], 1)
    return tuple(steps)


def data_address(array: Array) -> int:
    """Return the address of the first element."""
    return array.ctypes.data


def is_array(value: object) -> TypeGuard[Array]:
    """Tell whether ``value`` is a numpy array."""
    return isinstance(value, np.ndarray)


def is_plain(array: Array) -> bool:
    """Tell whether generated code can read ``array`` in place: row-major and aligned to its element size."""
    flags = array.flags
    return flags.c_contiguous and flags.aligned


def data_of(array: Array) -> int:
    """Return the address of the first element of a row-major array.

    It is what ``array.ctypes.data`` is, in a quarter of the time for an array that can be written and is of a type of
    numpy's own: calls of small models consist of little else.
    """
    if array.size and array.flags.writeable and array.dtype.isbuiltin == 1:
        return ctypes.addressof(ctypes.c_char.from_buffer(cast("bytearray", array)))
    return array.ctypes.data


def view_array(array: Array) -> TensorView:
    """Return a view of a numpy array of any strides.

    Raises:
        RuntimeFailure: TND-U003 for an element type that the runtime cannot carry.
    """
    dtype = dtype_of_array(array.dtype)
    if dtype is None:
        fail("TND-U003", f"unsupported element type '{array.dtype}'")
    if any(step % dtype.itemsize for step in array.strides):
        fail("TND-U005", "an array whose strides are not multiples of its element size cannot be passed")
    steps = tuple(step // dtype.itemsize for step in array.strides)
    return TensorView(dtype, array.shape, data_address(array), steps)


def array_over(tensor: DLTensor, keep: object = None, *, read_only: bool = False) -> Array:
    """Return an array over the memory of ``tensor``, writable unless ``read_only``; it keeps ``keep`` alive.

    Raises:
        RuntimeFailure: TND-U003 for an element type that numpy cannot carry, TND-U005 for foreign devices and ranks.
    """
    if tensor.device.device_type not in tuple(DeviceType):
        fail("TND-U005", f"a tensor lies on device type {tensor.device.device_type}, not in CPU memory")
    rank = tensor.ndim
    if not 0 <= rank <= MAX_RANK:
        fail("TND-U005", f"a tensor has {rank} dimensions, at most {MAX_RANK} are supported")
    dtype = dtype_of_code(tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes)
    shape = _int64s(tensor.shape, rank)
    steps = compact_strides(shape) if not tensor.strides else _int64s(tensor.strides, rank)
    address = (tensor.data or 0) + tensor.byte_offset
    if not address or 0 in shape:
        return np.empty(shape, dtype.numpy)
    interface: dict[str, object] = {
        "version": 3,
        "shape": shape,
        "typestr": dtype.numpy.str if dtype.numpy.isbuiltin == 1 else f"<u{dtype.itemsize}",
        "data": (address, read_only),
        "strides": tuple(step * dtype.itemsize for step in steps),
    }
    return np.asarray(_Memory(interface, keep)).view(dtype.numpy)


def array_from_dlpack(value: SupportsDLPack) -> Array:
    """Return an array over the memory of a DLPack object, without copying.

    Raises:
        RuntimeFailure: TND-U005 if the object lies on another device or refuses the exchange.
    """
    kind, _ = value.__dlpack_device__()
    if kind not in tuple(DeviceType):
        fail(
            "TND-U005",
            f"a {type(value).__name__} lies on device type {int(kind)}, not in CPU memory",
            help="copy it to the CPU first",
        )
    capsule = _capsule(value)
    if _capsule_is_valid(capsule, _VERSIONED):
        found = _VersionedTensor.from_address(_capsule_pointer(capsule, _VERSIONED))
        if found.major != 1:
            fail("TND-U005", f"a {type(value).__name__} exchanges DLPack {found.major}.{found.minor}, not 1.x")
        _capsule_rename(capsule, _USED_VERSIONED)
        return array_over(found.tensor, _Owner(found), read_only=bool(found.flags & _READ_ONLY))
    if not _capsule_is_valid(capsule, _NAME):
        fail("TND-U005", f"a {type(value).__name__} returned something else than a DLPack capsule")
    managed = _ManagedTensor.from_address(_capsule_pointer(capsule, _NAME))
    _capsule_rename(capsule, _USED_NAME)
    return array_over(managed.tensor, keep=_Owner(managed))


def _capsule(value: SupportsDLPack) -> object:
    """Return the capsule of ``value``, versioned if the producer knows versions."""
    try:
        return cast("_VersionedProducer", value).__dlpack__(max_version=(1, 0))
    except (TypeError, BufferError):
        pass  # an older producer, or one that says below why it refuses
    except (RuntimeError, ValueError) as error:
        _refuse_exchange(value, error)
    try:
        return value.__dlpack__()
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        _refuse_exchange(value, error)


def _refuse_exchange(value: object, error: Exception) -> NoReturn:
    fail("TND-U005", f"a {type(value).__name__} refused the DLPack exchange", notes=(str(error),))


def _int64s(address: int | None, count: int) -> tuple[int, ...]:
    if not count:
        return ()
    return tuple((ctypes.c_int64 * count).from_address(address or 0))
