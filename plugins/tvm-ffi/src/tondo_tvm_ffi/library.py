"""libtvm_ffi: the shared library of the installed wheel, its version, and the typed functions of its C interface.

Only the stable C interface is bound, never C++. The library is opened where the wheel has it, with global visibility,
so that it is the same one that ``import tvm_ffi`` opens. Versions outside of :data:`SUPPORTED` are refused: the layout
of objects has changed between releases.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from tondo_runtime import RuntimeFailure
from tondo_runtime.abi import AnyValue, ByteArray

SUPPORTED: Final = ((0, 1, 14), (0, 1, 17))
"""The first version that is supported, and the first that is not any more, as the library numbers itself.

A wheel and its library count apart: the wheels 0.1.13.post3 to 0.1.15.post2 hold the libraries 0.1.14 to 0.1.16."""

Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""``void deleter(void* self)``."""

_POINTER = ctypes.c_void_p
_OUT = ctypes.POINTER(ctypes.c_void_p)
_ANY = ctypes.POINTER(AnyValue)
_BYTES = ctypes.POINTER(ByteArray)
_PROTOTYPES: Final[dict[str, tuple[type | None, tuple[object, ...]]]] = {
    "TVMFFIObjectIncRef": (ctypes.c_int, (_POINTER,)),
    "TVMFFIObjectDecRef": (ctypes.c_int, (_POINTER,)),
    "TVMFFIFunctionCreate": (ctypes.c_int, (_POINTER, _POINTER, _POINTER, _OUT)),
    "TVMFFIFunctionGetGlobal": (ctypes.c_int, (_BYTES, _OUT)),
    "TVMFFIFunctionSetGlobal": (ctypes.c_int, (_BYTES, _POINTER, ctypes.c_int)),
    "TVMFFIFunctionCall": (ctypes.c_int, (_POINTER, _POINTER, ctypes.c_int32, _ANY)),
    "TVMFFIErrorMoveFromRaised": (None, (_OUT,)),
    "TVMFFIErrorSetRaised": (None, (_POINTER,)),
    "TVMFFIErrorCreate": (ctypes.c_int, (_BYTES, _BYTES, _BYTES, _OUT)),
    "TVMFFIStringFromByteArray": (ctypes.c_int, (_BYTES, _ANY)),
    "TVMFFIBytesFromByteArray": (ctypes.c_int, (_BYTES, _ANY)),
    "TVMFFITensorFromDLPackVersioned": (ctypes.c_int, (_POINTER, ctypes.c_int32, ctypes.c_int32, _OUT)),
}


class Library:
    """The opened library.

    Attributes:
        version: as the library numbers itself.
    """

    def __init__(self, path: str) -> None:
        """Open the library at ``path``.

        Raises:
            RuntimeFailure: TND-P003 if it cannot be opened or has another version than those supported.
        """
        try:
            self._library = ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise RuntimeFailure("TND-P003", f"the library of apache-tvm-ffi cannot be opened: {error}") from error
        self.version = self._version()
        check_version(self.version)
        self._functions = {name: self._function(name, *kinds) for name, kinds in _PROTOTYPES.items()}

    def call(self, name: str, *args: object) -> int:
        """Call the C function ``name``; returns its status, 0 for functions without."""
        return self._functions[name](*args) or 0

    def address(self, name: str) -> int:
        """Return the machine address of the C function ``name``."""
        return ctypes.cast(self._library[name], ctypes.c_void_p).value or 0

    def _function(self, name: str, result: type | None, arguments: tuple[object, ...]) -> Callable[..., int | None]:
        function = self._library[name]
        function.restype = result
        function.argtypes = cast("tuple[type[ctypes.c_void_p], ...]", arguments)  # of any type that ctypes knows
        return function

    def _version(self) -> tuple[int, int, int]:
        numbers = (ctypes.c_uint32 * 3)()
        try:
            self._library["TVMFFIGetVersion"](numbers)
        except AttributeError:
            return (0, 0, 0)
        return (int(numbers[0]), int(numbers[1]), int(numbers[2]))


def check_version(version: tuple[int, int, int]) -> None:
    """Refuse a version that is not supported.

    Raises:
        RuntimeFailure: TND-P003.
    """
    first, beyond = SUPPORTED
    if first <= version < beyond:
        return
    raise RuntimeFailure(
        "TND-P003",
        f"the installed apache-tvm-ffi has version {_text(version)} of its C interface, "
        f"tondo-tvm-ffi knows {_text(first)} up to, not including, {_text(beyond)}",
        help='pip install "apache-tvm-ffi>=0.1.13.post3,<0.1.16", or a newer tondo-tvm-ffi',
    )


def _text(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def library_path() -> str:
    """Return the file of the library: the one that is open already, or that of the installed wheel.

    The wheel's Python package is not imported for it.

    Raises:
        RuntimeFailure: TND-P003 if it is not installed.
    """
    if "tvm_ffi" in sys.modules:  # two copies in one process end it
        return str(importlib.import_module("tvm_ffi.libinfo").find_libtvm_ffi())
    spec = importlib.util.find_spec("tvm_ffi")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        path = Path(folder, "lib", "libtvm_ffi.so")
        if path.is_file():
            return str(path)
    raise RuntimeFailure(
        "TND-P003", "apache-tvm-ffi is not installed, or without its library", help="pip install apache-tvm-ffi"
    )


@functools.cache
def library() -> Library:
    """Return the library of this process.

    Raises:
        RuntimeFailure: TND-P003, see :class:`Library`.
    """
    return Library(library_path())


class Text(ByteArray):
    """Bytes that a C function reads during a call."""

    def __init__(self, value: str | bytes) -> None:
        """Hold ``value``, a text as UTF-8."""
        data = value.encode() if isinstance(value, str) else value
        self._content = ctypes.create_string_buffer(data, len(data) + 1)
        super().__init__(ctypes.addressof(self._content), len(data))

    @property
    def ref(self) -> object:
        """The argument for a parameter ``const TVMFFIByteArray*``; it keeps this object alive."""
        return ctypes.byref(self)


def read_bytes(address: int) -> bytes:
    """Return the bytes that a ``TVMFFIByteArray`` at ``address`` describes."""
    array = ByteArray.from_address(address)
    return ctypes.string_at(array.data, array.size) if array.size else b""
