"""Objects of tvm-ffi as Python values, and Python values as objects.

=========================== =========================================================================================
text, bytes, big integer    ``str``, ``bytes``, ``int``
tensor                      a numpy array over the same memory, which keeps the tensor alive, and back
shape                       :class:`Shape`, a tuple of integers
array, list; map, dict      ``list``; ``dict``, element by element
function                    :class:`ForeignFunction`, and any Python callable the other way
error                       an exception
anything else               :class:`Foreign`, which can be passed back
=========================== =========================================================================================

Ownership: a value that refers to an object holds one reference and gives it back; what is copied gives it back at once.
"""

from __future__ import annotations

import atexit
import ctypes
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from tondo_runtime.abi import FIRST_OBJECT, OBJECT_HEADER, AnyValue, DLTensor, ObjectIndex, address_of
from tondo_runtime.bridge import describe_code
from tondo_runtime.tensors import (
    Array,
    SupportsDLPack,
    TensorView,
    array_from_dlpack,
    array_over,
    is_array,
    view_array,
)
from tondo_runtime.trampoline import TRAMPOLINE_ADDRESS, Handle
from tondo_runtime.values import load_value, store_result
from tondo_tvm_ffi.errors import check, raise_there, read_error
from tondo_tvm_ffi.library import Deleter, Text, library, read_bytes

if TYPE_CHECKING:
    from tondo_runtime.values import Value

_LIST, _DICT, _BIG_INT = 75, 76, 78


class Shape(tuple[int, ...]):
    """A shape as tvm-ffi has them."""

    __slots__ = ()


class Foreign:
    """An object without a Python form; holds one reference.

    Attributes:
        handle: its address.
        type_index: its type code.
    """

    __slots__ = ("handle", "type_index")

    def __init__(self, handle: int, type_index: int) -> None:
        """Take over one reference."""
        self.handle = handle
        self.type_index = type_index

    def __del__(self, _ending: Callable[[], bool] = sys.is_finalizing) -> None:
        """Give the reference back, unless the process ends anyway; then modules may be empty already."""
        if not _ending():
            library().call("TVMFFIObjectDecRef", self.handle)

    def __repr__(self) -> str:
        """Name the type."""
        return f"<{type(self).__name__}: {describe_code(self.type_index)}>"


class ForeignFunction(Foreign):
    """A function of tvm-ffi, callable."""

    __slots__ = ()

    @property
    def safe_call(self) -> int:
        """Machine address of its safe-call function, which takes :attr:`handle` first."""
        return int(ctypes.c_void_p.from_address(self.handle + OBJECT_HEADER).value or 0)

    @property
    def is_compiled(self) -> bool:
        """Whether it is a C++ function; others are callbacks into Python or another language."""
        return bool(ctypes.c_void_p.from_address(self.handle + OBJECT_HEADER + 8).value)

    def __call__(self, *args: object) -> object:
        """Call the function; arrays and DLPack objects become tensor objects over the same memory.

        Raises:
            RuntimeFailure: TND-U003 or TND-U005 for an argument that cannot be passed.
            Exception: what the function raises.
        """
        result = AnyValue()
        _call_into(result, self.handle, args)
        return load_value(result, owned=True)


def global_function(name: str) -> ForeignFunction | None:
    """Return the global function ``name``, or None."""
    handle = ctypes.c_void_p()
    check(library().call("TVMFFIFunctionGetGlobal", Text(name).ref, ctypes.byref(handle)))
    return ForeignFunction(handle.value, int(ObjectIndex.FUNCTION)) if handle.value else None


def helper(name: str) -> ForeignFunction:
    """Return a global function that every version has."""
    function = global_function(name)
    if function is None:
        msg = f"tvm-ffi has no function '{name}'"
        raise LookupError(msg)
    return function


# ------------------------------------------------------------------------------------------------ from there


def load(value: AnyValue, *, owned: bool) -> Value:
    """Return the object of ``value``; see :meth:`tondo_runtime.bridge.ObjectBridge.load`."""
    handle, code = int(value.payload.v_ptr or 0), int(value.type_index)
    if not owned:
        library().call("TVMFFIObjectIncRef", handle)
    if code == ObjectIndex.TENSOR:
        return array_over(DLTensor.from_address(handle + OBJECT_HEADER), Foreign(handle, code))
    if code == ObjectIndex.FUNCTION:
        return cast("Value", ForeignFunction(handle, code))
    item = Foreign(handle, code)
    reader = _READERS.get(code)
    return cast("Value", item if reader is None else reader(item))


def _read_shape(item: Foreign) -> object:
    data = ctypes.c_void_p.from_address(item.handle + OBJECT_HEADER).value
    size = ctypes.c_size_t.from_address(item.handle + OBJECT_HEADER + 8).value
    return Shape((ctypes.c_int64 * size).from_address(data)) if size and data else Shape()


def _read_sequence(item: Foreign) -> object:
    kind = "Array" if item.type_index == ObjectIndex.ARRAY else "List"
    size, element = helper(f"ffi.{kind}Size"), helper(f"ffi.{kind}GetItem")
    return [element(item, place) for place in range(cast("int", size(item)))]


def _read_map(item: Foreign) -> object:
    kind = "Map" if item.type_index == ObjectIndex.MAP else "Dict"
    count = cast("int", helper(f"ffi.{kind}Size")(item))
    step = cast("Callable[[int], object]", helper(f"ffi.{kind}ForwardIterFunctor")(item))
    found: dict[object, object] = {}
    for place in range(count):
        found[step(0)] = step(1)
        if place + 1 < count:
            step(2)
    return found


def _read_big_int(item: Foreign) -> object:
    words = ctypes.c_size_t.from_address(item.handle + OBJECT_HEADER).value
    return int.from_bytes(ctypes.string_at(item.handle + OBJECT_HEADER + 8, 8 * words), "little", signed=True)


_READERS: Final[dict[int, Callable[[Foreign], object]]] = {
    int(ObjectIndex.STR): lambda item: read_bytes(item.handle + OBJECT_HEADER).decode("utf-8", "replace"),
    int(ObjectIndex.BYTES): lambda item: read_bytes(item.handle + OBJECT_HEADER),
    int(ObjectIndex.ERROR): lambda item: read_error(item.handle),
    int(ObjectIndex.SHAPE): _read_shape,
    int(ObjectIndex.ARRAY): _read_sequence,
    _LIST: _read_sequence,
    int(ObjectIndex.MAP): _read_map,
    _DICT: _read_map,
    _BIG_INT: _read_big_int,
}


# ------------------------------------------------------------------------------------------------ to there


def store(slot: AnyValue, value: object) -> bool:
    """Write ``value`` as an owned object; see :meth:`tondo_runtime.bridge.ObjectBridge.store`."""
    if isinstance(value, str):
        check(library().call("TVMFFIStringFromByteArray", Text(value).ref, ctypes.byref(slot)))
    elif isinstance(value, bytes):
        check(library().call("TVMFFIBytesFromByteArray", Text(value).ref, ctypes.byref(slot)))
    elif isinstance(value, Foreign):
        library().call("TVMFFIObjectIncRef", value.handle)
        _set(slot, value.type_index, value.handle)
    elif is_array(value):
        _set(slot, int(ObjectIndex.TENSOR), tensor_of(value))
    elif isinstance(value, SupportsDLPack):
        _set(slot, int(ObjectIndex.TENSOR), tensor_of(array_from_dlpack(value)))
    elif isinstance(value, Shape):
        _build(slot, "ffi.Shape", value)
    elif isinstance(value, list | tuple):
        _build(slot, "ffi.Array", cast("Sequence[object]", value))
    elif isinstance(value, dict):
        pairs = [part for pair in cast("Mapping[object, object]", value).items() for part in pair]
        _build(slot, "ffi.Map", pairs)
    elif callable(value):
        _set(slot, int(ObjectIndex.FUNCTION), function_of("callback", value))
    else:
        return False
    return True


def _set(slot: AnyValue, code: int, handle: int) -> None:
    slot.type_index, slot.zero_padding, slot.payload.v_ptr = code, 0, handle


def _build(slot: AnyValue, name: str, items: Sequence[object]) -> None:
    _call_into(slot, helper(name).handle, items)


def _call_into(slot: AnyValue, function: int, items: Sequence[object]) -> None:
    """Call the function object with ``items`` as owned values and write its result into ``slot``."""
    packed = _owned_args(items)
    try:
        check(library().call("TVMFFIFunctionCall", function, ctypes.addressof(packed), len(items), ctypes.byref(slot)))
    finally:
        for item in packed:
            if item.type_index >= FIRST_OBJECT:
                library().call("TVMFFIObjectDecRef", item.payload.v_ptr)


def _owned_args(items: Sequence[object]) -> ctypes.Array[AnyValue]:
    """Return ``items`` as owned values: containers keep what they are given."""
    table = (AnyValue * max(len(items), 1))()
    for slot, item in zip(table, items, strict=False):
        store_result(ctypes.addressof(slot), item)
    return table


class _Managed(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    )


_lent: dict[int, tuple[_Managed, TensorView, Array]] = {}
_alive: dict[int, int] = {}
"""Objects whose deleter is a Python function, by what it is called with."""


@Deleter
def _give_back(address: int | None) -> None:
    _alive.pop(address or 0, None)
    _lent.pop(address or 0, None)


@atexit.register
def _keep_to_the_end() -> None:
    """Whoever still holds objects may give them back after Python has ended: their deleters must not run then."""
    for handle in tuple(_alive.values()):
        library().call("TVMFFIObjectIncRef", handle)


def tensor_of(array: Array) -> int:
    """Return a new tensor object over the memory of ``array``, which stays alive with it; the caller owns it.

    Raises:
        RuntimeFailure: TND-U003 for an element type that tensors cannot have.
    """
    view = view_array(array)
    managed = _Managed(1, 0, None, address_of(_give_back), 0 if array.flags.writeable else 1, view.struct)
    address = ctypes.addressof(managed)
    _lent[address] = (managed, view, array)
    handle = ctypes.c_void_p()
    status = library().call("TVMFFITensorFromDLPackVersioned", address, 0, 0, ctypes.byref(handle))
    if status:
        _lent.pop(address, None)
    check(status)
    _alive[address] = int(handle.value or 0)
    return _alive[address]


_callbacks: dict[int, Handle] = {}


@Deleter
def _forget(number: int | None) -> None:
    _alive.pop(-(number or 0), None)
    _callbacks.pop(number or 0, None)


def function_of(name: str, function: Callable[..., object]) -> int:
    """Return a new function object that calls ``function``; the caller owns it."""
    target = Handle(name, function, raise_there)
    _callbacks[target.id] = target
    handle = native_function(TRAMPOLINE_ADDRESS, target.id, address_of(_forget))
    _alive[-target.id] = handle
    return handle


def native_function(safe_call: int, target: int, deleter: int = 0) -> int:
    """Return a new function object for a safe-call function and its first argument; the caller owns it."""
    handle = ctypes.c_void_p()
    status = library().call("TVMFFIFunctionCreate", target, safe_call, deleter or None, ctypes.byref(handle))
    check(status)
    return int(handle.value or 0)
