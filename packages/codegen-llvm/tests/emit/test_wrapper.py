"""The entry point ``__tondo_NAME``: arguments of every kind, and what it refuses."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tondo.ir import (
    BOOL,
    FLOAT32,
    INT64,
    Attrs,
    Buffer,
    Const,
    For,
    Store,
    TensorFunction,
    Var,
    cast,
)
from tondo_llvm.emit import PREFIX
from tondo_llvm.testing import Loaded
from tondo_runtime.abi import AnyValue, DLDataType, DLDevice, DLTensor, SafeCall, SetError, TypeIndex, address_of

pytestmark = pytest.mark.llvm

I, N = Var("i"), Var("n")


def function() -> TensorFunction:
    scale = Var("scale", FLOAT32)
    a, b = Buffer("a", (N, Const(4))), Buffer("b", (N, Const(4)))
    value = a[I, 0] * scale
    return TensorFunction(
        "scaled", (N, scale, a, b), For(I, Const(0), N, Store(b, (I, Const(0)), value)), 1, Attrs(exported=True)
    )


class Tensor:
    """A DLTensor of an array."""

    def __init__(
        self,
        array: np.ndarray,
        code: int = 2,
        bits: int = 32,
        *,
        strides: bool = False,
        offset: int = 0,
        device: int = 1,
    ) -> None:
        self.array = array
        self.shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        self.strides = (ctypes.c_int64 * array.ndim)(*(s // array.itemsize for s in array.strides))
        self.struct = DLTensor(
            array.ctypes.data - offset,
            DLDevice(device, 0),
            array.ndim,
            DLDataType(code, bits, 1),
            ctypes.addressof(self.shape),
            ctypes.addressof(self.strides) if strides else None,
            offset,
        )


class Entry:
    """Calls the entry point with Python values."""

    def __init__(self, loaded: Loaded, name: str) -> None:
        self.errors: list[tuple[str, str]] = []

        @SetError
        def set_error(context: int, kind: bytes, message: bytes) -> None:
            self.errors.append((kind.decode(), message.decode()))

        self.keep = set_error
        self.context = loaded.context(set_error=address_of(set_error))
        self.call = SafeCall(loaded.address(PREFIX + name))

    def __call__(self, *args: object, count: int | None = None) -> int:
        table = (AnyValue * max(1, len(args)))()
        for slot, arg in zip(table, args, strict=False):
            if isinstance(arg, Tensor):
                slot.type_index, slot.payload.v_ptr = TypeIndex.DL_TENSOR_PTR, ctypes.addressof(arg.struct)
            elif isinstance(arg, float):
                slot.type_index, slot.payload.v_float64 = TypeIndex.FLOAT, arg
            elif arg is None:
                slot.type_index = TypeIndex.NONE
            elif isinstance(arg, bool):
                slot.type_index, slot.payload.v_int64 = TypeIndex.BOOL, arg
            else:
                slot.type_index, slot.payload.v_int64 = TypeIndex.INT, arg
        self.result = AnyValue(99, 99)
        self.result.payload.v_int64 = 99
        length = len(args) if count is None else count
        return self.call(ctypes.addressof(self.context), table, length, ctypes.addressof(self.result))


@pytest.fixture
def entry():
    with Loaded([function()]) as loaded:
        yield Entry(loaded, "scaled")


def arrays() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros((3, 4), np.float32)


def test_numbers_and_tensors_arrive(entry: Entry) -> None:
    for factor in (0.5, 3, True):
        x, y = arrays()
        assert entry(3, factor, Tensor(x, offset=64), Tensor(y, strides=True)) == 0
        np.testing.assert_array_equal(y[:, 0], x[:, 0] * np.float32(factor))
        assert (entry.result.type_index, entry.result.payload.v_int64) == (TypeIndex.NONE, 0)
    assert entry.errors == []


def test_strides_of_single_extents_do_not_matter(entry: Entry) -> None:
    x, y = np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32)
    view = Tensor(x, strides=True)
    view.strides[0] = 12345
    assert entry(1, 2.0, view, Tensor(y)) == 0
    assert y[0, 0] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: [*a, 1], "'scaled' takes 4 arguments"),
        (lambda a: a[:3], "'scaled' takes 4 arguments"),
        (lambda a: [1.5, *a[1:]], "argument 0 of 'scaled' must be an integer ('n')"),
        (lambda a: [None, *a[1:]], "argument 0 of 'scaled' must be an integer ('n')"),
        (lambda a: [a[0], None, *a[2:]], "argument 1 of 'scaled' must be a number ('scale')"),
        (lambda a: [*a[:2], 7, a[3]], "argument 2 of 'scaled' must be a compact float32 tensor of shape (?, 4) ('a')"),
        (lambda a: [*a[:3], Tensor(arrays()[0], code=0)], "argument 3 of"),
        (lambda a: [*a[:3], Tensor(arrays()[0], bits=64)], "argument 3 of"),
        (lambda a: [*a[:3], Tensor(arrays()[0], device=2)], "argument 3 of"),
        (lambda a: [*a[:3], Tensor(arrays()[0].reshape(12))], "argument 3 of"),
        (lambda a: [*a[:3], Tensor(arrays()[0].reshape(4, 3))], "argument 3 of"),
        (lambda a: [*a[:3], Tensor(np.zeros((4, 3), np.float32).T, strides=True)], "argument 3 of"),
        (lambda a: [*a[:3], Tensor(np.zeros((3, 8), np.float32)[:, ::2], strides=True)], "argument 3 of"),
    ],
)
def test_what_is_refused(entry: Entry, change, message: str) -> None:
    x, y = arrays()
    assert entry(*change([3, 2.0, Tensor(x), Tensor(y)])) == -1
    ((code, text),) = entry.errors
    assert code == "TND-U005"
    assert text.startswith(message)
    np.testing.assert_array_equal(y, 0)


def test_null_result_and_no_parameters() -> None:
    flag = Buffer("flag", (), BOOL)
    count = Buffer("count", (Const(2),), INT64, strides=(Const(1),))
    body = Store(flag, (), cast(BOOL, count[1]))
    f = TensorFunction("f", (count, flag), body, 1, Attrs(exported=True))
    with Loaded([f]) as loaded:
        entry = Entry(loaded, "f")
        out, values = np.zeros((), np.bool_), np.array([[0, 9], [9, 9]])
        # A parameter with strides of its own takes any strides.
        assert entry(Tensor(values[0], 0, 64, strides=True), Tensor(out, 6, 8)) == 0
        assert out[()]
        table = (AnyValue * 2)()
        assert entry.call(ctypes.addressof(entry.context), table, 2, None) == -1
