"""The memory of one call: context, argument table and tensor views, prepared once per set of input shapes.

A :class:`Plan` is what follows from the input shapes alone (symbols, output shapes, workspace size). A
:class:`Frame` is the native memory for one call in flight of that plan: a call only writes data pointers into it.
"""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tondo_runtime.abi import ABI_VERSION, AnyValue, Context, PackedEntry, Reserve, SetError, TypeIndex, address_of
from tondo_runtime.bridge import release_address
from tondo_runtime.dtypes import dtype_of
from tondo_runtime.errors import RuntimeFailure, fail
from tondo_runtime.packed import adapted
from tondo_runtime.raised import take_raised
from tondo_runtime.registry import PackedFunction, failure_of
from tondo_runtime.slots import Slots
from tondo_runtime.tensors import Array, TensorView, data_of
from tondo_runtime.trampoline import TRAMPOLINE_ADDRESS, Handle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo_runtime.manifest import ConstantSpec, TensorSpec

ALIGNMENT = 64
"""Alignment in bytes of everything that the runtime itself allocates."""
FOREIGN_FAILED = "TND-R001"
"""The kind under which generated code reports the name of a foreign function that failed."""


@dataclass(slots=True)
class Plan:
    """What a call with certain input shapes needs.

    Attributes:
        symbols: values of the manifest's symbols, in its order.
        input_shapes: shapes of the inputs.
        output_shapes: shapes of the outputs.
        output_bytes: their sizes in bytes.
        workspace: bytes of scratch memory.
        idle: frames that no call is using.
    """

    symbols: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    output_bytes: tuple[int, ...]
    workspace: int
    idle: list[Frame] = field(default_factory=list["Frame"])


@dataclass(frozen=True, slots=True)
class FrameParts:
    """What all frames of a session share."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    constants: ConstantTable
    packed: tuple[PackedFunction, ...]
    threads: int
    clock_address: int
    numbers: int = 0


class ConstantTable:
    """The constants as tagged values that point to views; their memory is kept alive here."""

    __slots__ = ("_keep", "count", "table")

    def __init__(self, specs: Sequence[ConstantSpec], arrays: Sequence[Array]) -> None:
        """Describe ``arrays``, which are row-major and aligned to 64 bytes."""
        views = [
            TensorView(spec.type, spec.shape, array.ctypes.data) for spec, array in zip(specs, arrays, strict=True)
        ]
        self.count = len(views)
        self.table = (AnyValue * len(views))()
        for slot, view in zip(self.table, views, strict=True):
            _point(slot, view)
        self._keep = (views, list(arrays))


class Frame:
    """Native memory of one call in flight.

    Attributes:
        context: the context structure; ``context_address`` is where it is.
        inputs: ``DLTensor`` of each input, whose ``data`` a call sets.
        outputs: the same for outputs.
        workspace: the same for the workspace.
        numbers: where the call writes the numbers that it finds out; None if there are none.
        held: the slots of the call that uses this frame.
        errors: texts that generated code reported through ``set_error``: kind and message.
        raised: exceptions of Python functions that generated code called.
    """

    __slots__ = (
        "__weakref__",
        "_keep",
        "args_address",
        "context",
        "context_address",
        "count",
        "errors",
        "held",
        "inputs",
        "numbers",
        "outputs",
        "raised",
        "result",
        "result_address",
        "workspace",
    )

    def __init__(self, plan: Plan, parts: FrameParts) -> None:
        """Lay out the argument table of ``plan``."""
        self.errors: list[tuple[str, str]] = []
        self.raised: list[tuple[str, BaseException]] = []
        inputs = [TensorView(s.type, shape, 0) for s, shape in zip(parts.inputs, plan.input_shapes, strict=True)]
        outputs = [TensorView(s.type, shape, 0) for s, shape in zip(parts.outputs, plan.output_shapes, strict=True)]
        workspace = TensorView(dtype_of("uint8"), (plan.workspace,), 0)
        self.inputs = tuple(view.struct for view in inputs)
        self.outputs = tuple(view.struct for view in outputs)
        self.workspace = workspace.struct
        self.numbers = np.zeros(parts.numbers, np.int64) if parts.numbers else None
        self.held = _Held()
        last = [workspace]
        if self.numbers is not None:
            last.insert(0, TensorView(dtype_of("int64"), (parts.numbers,), self.numbers.ctypes.data))
        self.count = len(plan.symbols) + len(inputs) + len(outputs) + parts.constants.count + len(last)
        table = (AnyValue * self.count)()
        slots = iter(table)
        for value in plan.symbols:
            slot = next(slots)
            slot.type_index = int(TypeIndex.INT)
            slot.payload.v_int64 = value
        for view in inputs:
            _point(next(slots), view)
        self.args_address = ctypes.addressof(table)
        before = len(plan.symbols) + len(inputs)
        _copy_table(parts.constants, self.args_address + 16 * before)
        for position, view in enumerate((*outputs, *last), before + parts.constants.count):
            _point(table[position], view)
        self.result = AnyValue()
        self.result_address = ctypes.addressof(self.result)
        handles, entries = self._packed(parts.packed)
        self.context = Context(abi_version=ABI_VERSION, num_threads=parts.threads)
        self.context.packed = ctypes.addressof(entries)
        self.context.clock_ns = parts.clock_address
        self.context.set_error = _SET_ERROR_ADDRESS
        self.context.reserve = _RESERVE_ADDRESS
        self.context.release = release_address()
        self.context_address = ctypes.addressof(self.context)
        self._keep = (table, inputs, outputs, last, handles, entries, parts)
        _frames[self.context_address] = self

    def _packed(self, functions: Sequence[PackedFunction]) -> tuple[list[Handle], ctypes.Array[PackedEntry]]:
        """Give every Python function a handle of this frame, so that its exception finds the call it belongs to."""
        handles: list[Handle] = []
        entries = (PackedEntry * max(len(functions), 1))()
        for entry, function in zip(entries, functions, strict=False):
            entry.safe_call, entry.handle = function.address, function.handle
            if not function.is_native and function.function is not None:
                called = adapted(function.name, function.function, _Memory(self.held))
                handle = Handle(function.name, called, self._sink(function.name))
                handles.append(handle)
                entry.safe_call, entry.handle = TRAMPOLINE_ADDRESS, handle.id
        return handles, entries

    def _sink(self, name: str) -> _Sink:
        return _Sink(name, self.raised)


class _Held:
    """The slots of the call that uses a frame."""

    __slots__ = ("slots",)

    def __init__(self) -> None:
        self.slots: Slots | None = None


class _Memory:
    """Memory of the slots of the call in flight, without holding the frame (no reference cycle)."""

    __slots__ = ("_held",)

    def __init__(self, held: _Held) -> None:
        self._held = held

    def __call__(self, number: int, size: int) -> Array | None:
        slots = self._held.slots
        return None if slots is None else slots.memory(number, size)


class _Sink:
    """Delivers the exception of one function without holding the frame (no reference cycle)."""

    __slots__ = ("_name", "_raised")

    def __init__(self, name: str, raised: list[tuple[str, BaseException]]) -> None:
        self._name = name
        self._raised = raised

    def __call__(self, error: BaseException) -> None:
        self._raised.append((self._name, error))


def raise_failure(name: str, frame: Frame, status: int) -> None:
    """Raise what generated code reported in ``frame``; forgets it there.

    Raises:
        RuntimeFailure: TND-R001 for an exception of a foreign function, else TND-R003.
    """
    raised, errors = list(frame.raised), list(frame.errors)
    frame.raised.clear()
    frame.errors.clear()
    if raised:
        function, error = raised[0]
        failure = failure_of(function, error)
        if failure is error:
            raise error
        raise failure from error
    if errors:
        kind, message = errors[0]
        if kind == FOREIGN_FAILED:
            fail("TND-R001", f"the foreign function '{message}' failed without saying why")
        raise RuntimeFailure("TND-R003", f"the model '{name}' failed: {message}", (f"kind of failure: {kind}",))
    fail("TND-R003", f"the model '{name}' failed with status {status}")


_frames: weakref.WeakValueDictionary[int, Frame] = weakref.WeakValueDictionary()


@SetError
def _set_error(context: int | None, kind: bytes | None, message: bytes | None) -> None:
    frame = _frames.get(context or 0)
    if frame is None:
        return
    what, text = (kind or b"").decode("utf-8", "replace"), (message or b"").decode("utf-8", "replace")
    # A native function leaves its error in the thread in which it failed, which is this one.
    error = take_raised() if what == FOREIGN_FAILED else None
    if error is None:
        frame.errors.append((what, text))
    else:
        frame.raised.append((text, error))


_SET_ERROR_ADDRESS = address_of(_set_error)


@Reserve
def _reserve(context: int | None, number: int, size: int) -> int | None:
    frame = _frames.get(context or 0)
    return None if frame is None or frame.held.slots is None else frame.held.slots.reserve(number, size)


_RESERVE_ADDRESS = address_of(_reserve)


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[np.generic], size: int) -> tuple[Array, int]:
    """Return an uninitialised array of ``size`` bytes and its address, a multiple of 64.

    Raises:
        RuntimeFailure: TND-R003 if there is no memory for it.
    """
    try:
        raw = np.empty(size + ALIGNMENT, np.uint8)
    except (MemoryError, ValueError):
        fail("TND-R003", f"there is no memory for {size} bytes", help="use smaller inputs")
    address = data_of(raw)
    offset = -address % ALIGNMENT
    return np.ndarray(shape, dtype, raw, offset), address + offset


def _point(slot: AnyValue, view: TensorView) -> None:
    slot.type_index = int(TypeIndex.DL_TENSOR_PTR)
    slot.payload.v_ptr = view.address


def _copy_table(constants: ConstantTable, address: int) -> None:
    ctypes.memmove(address, constants.table, ctypes.sizeof(constants.table))
