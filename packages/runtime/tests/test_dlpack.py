"""DLPack in and out: numpy, torch, a producer written in Python, both forms of the exchange."""

from __future__ import annotations

import ctypes
import gc

import numpy as np
import pytest

from tondo_runtime import RuntimeFailure, Session
from tondo_runtime.abi import DLTensor
from tondo_runtime.tensors import array_from_dlpack, view_array

Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Managed(ctypes.Structure):
    _fields_ = (("tensor", DLTensor), ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    )


new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.argtypes, new_capsule.restype = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p), ctypes.py_object


class Producer:
    """A producer in Python; counts how often its memory is given back."""

    def __init__(
        self, array: np.ndarray, version: tuple[int, int] | None = None, flags: int = 0, kind: int = 1
    ) -> None:
        self.array, self.kind, self.freed = array, kind, 0
        self.version = version
        self.view = view_array(array)
        self.deleter = Deleter(self._free)
        address = ctypes.cast(self.deleter, ctypes.c_void_p).value
        if version is None:
            self.managed: Managed | Versioned = Managed(self.view.struct, None, address)
        else:
            self.managed = Versioned(*version, None, address, flags, self.view.struct)

    def _free(self, address: int) -> None:
        assert address == ctypes.addressof(self.managed)
        self.freed += 1

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self.kind, 0)

    def __dlpack__(self, **options: object) -> object:
        if self.version is None and options:
            raise TypeError("max_version is not known")
        name = b"dltensor" if self.version is None else b"dltensor_versioned"
        return new_capsule(ctypes.addressof(self.managed), name, None)


@pytest.mark.parametrize("version", [None, (1, 0), (1, 3)])
def test_memory_is_shared_and_given_back_once(version: tuple[int, int] | None) -> None:
    source = np.arange(12, dtype=np.int32).reshape(3, 4)
    producer = Producer(source[:, ::2], version)
    array = array_from_dlpack(producer)
    np.testing.assert_array_equal(array, source[:, ::2])
    assert array.strides == source[:, ::2].strides
    array[0, 0] = 50
    assert source[0, 0] == 50
    part = array[1:]
    del array
    gc.collect()
    assert producer.freed == 0
    del part
    gc.collect()
    assert producer.freed == 1


def test_read_only_stays_read_only() -> None:
    array = array_from_dlpack(Producer(np.arange(3.0), (1, 0), flags=1))
    assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    assert array_from_dlpack(Producer(np.arange(3.0), (1, 0), flags=0)).flags.writeable


def test_other_devices_and_versions_are_refused() -> None:
    with pytest.raises(RuntimeFailure, match="device type 2") as info:
        array_from_dlpack(Producer(np.arange(3.0), (1, 0), kind=2))
    assert info.value.code == "TND-U005"
    with pytest.raises(RuntimeFailure, match=r"DLPack 2\.0"):
        array_from_dlpack(Producer(np.arange(3.0), (2, 0)))


@pytest.mark.parametrize("error", [BufferError, RuntimeError, TypeError, ValueError])
def test_refusals_of_the_producer_are_told(error: type[Exception]) -> None:
    class Refusing:
        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

        def __dlpack__(self, **_: object) -> object:
            raise error("not today")

    with pytest.raises(RuntimeFailure, match="refused the DLPack exchange") as info:
        array_from_dlpack(Refusing())
    assert info.value.notes == ("not today",)


def test_an_object_that_is_no_capsule_is_refused() -> None:
    class Wrong:
        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

        def __dlpack__(self, **_: object) -> object:
            return object()

    with pytest.raises(RuntimeFailure, match="something else than a DLPack capsule"):
        array_from_dlpack(Wrong())


def test_models_take_strided_and_read_only_tensors_and_give_dlpack(axpy: Session) -> None:
    left, right = np.arange(8, dtype=np.float32), np.ones(4, np.float32)
    result = axpy(Producer(left[::2], (1, 0), flags=1), Producer(right))
    np.testing.assert_array_equal(result, left[::2] + right * np.float32(2.5))
    np.testing.assert_array_equal(np.from_dlpack(result), result)
    with pytest.raises(RuntimeFailure, match="cannot be written in place"):
        axpy.run(
            dict(zip((spec.name for spec in axpy.inputs), (left[:4], right), strict=True)),
            {axpy.outputs[0].name: Producer(np.zeros(4, np.float32), (1, 0), flags=1)},
        )


def test_torch_tensors(axpy: Session) -> None:
    torch = pytest.importorskip("torch")
    left, right = torch.arange(4, dtype=torch.float32), torch.ones(8)[::2]
    result = torch.from_dlpack(axpy(left, right))
    assert torch.equal(result, left + right * 2.5)
    out = torch.zeros(4)
    axpy.run(dict(zip((spec.name for spec in axpy.inputs), (left, right), strict=True)), {axpy.outputs[0].name: out})
    assert torch.equal(out, result)
    half = array_from_dlpack(torch.ones(2, dtype=torch.bfloat16))
    assert half.dtype.name == "bfloat16"


def test_torch_tensor_that_needs_a_gradient_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeFailure, match="refused the DLPack exchange"):
        array_from_dlpack(torch.ones(2, requires_grad=True))
