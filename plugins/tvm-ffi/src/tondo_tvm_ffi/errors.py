"""Errors across the border: kind, message and traceback in both directions.

tvm-ffi keeps the error of a thread's last failed function; its kind is the name of a Python exception where there is
one. From there: an exception of that class, or :class:`ForeignError`, with the traceback as a note. To there: the name
of the exception's class, its text, and its frames.
"""

from __future__ import annotations

import builtins
import ctypes
import traceback

from tondo_runtime import RuntimeFailure
from tondo_runtime.abi import OBJECT_HEADER
from tondo_tvm_ffi.library import Text, library, read_bytes

_KIND, _MESSAGE, _BACKTRACE = OBJECT_HEADER, OBJECT_HEADER + 16, OBJECT_HEADER + 32


class ForeignError(RuntimeError):
    """An error whose kind is no exception of Python's own.

    Attributes:
        kind: its kind.
    """

    def __init__(self, kind: str, message: str) -> None:
        """Carry ``kind`` and ``message``."""
        super().__init__(message)
        self.kind = kind


def take_error() -> BaseException | None:
    """Return and forget the error that tvm-ffi keeps for the calling thread."""
    handle = ctypes.c_void_p()
    library().call("TVMFFIErrorMoveFromRaised", ctypes.byref(handle))
    if not handle.value:
        return None
    try:
        return read_error(handle.value)
    finally:
        library().call("TVMFFIObjectDecRef", handle)


def read_error(address: int) -> BaseException:
    """Return the error object at ``address`` as an exception."""
    kind, message, backtrace = (
        read_bytes(address + offset).decode("utf-8", "replace") for offset in (_KIND, _MESSAGE, _BACKTRACE)
    )
    found: object = getattr(builtins, kind, None)
    error: BaseException
    if kind == "KeyboardInterrupt":
        error = KeyboardInterrupt(message)
    elif isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, UnicodeError):
        error = found(message)
    else:
        error = ForeignError(kind, message)
    if backtrace.strip():
        error.add_note("in tvm-ffi, the latest call first:\n" + backtrace.rstrip())
    return error


def raise_there(error: BaseException) -> None:
    """Make ``error`` the error that tvm-ffi keeps for the calling thread."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n' for frame in reversed(frames)]
    kind = "RuntimeError" if isinstance(error, RuntimeFailure) else getattr(error, "kind", type(error).__name__)
    handle = ctypes.c_void_p()
    texts = Text(str(kind)), Text(str(error)), Text("".join(lines))
    library().call("TVMFFIErrorCreate", *(text.ref for text in texts), ctypes.byref(handle))
    library().call("TVMFFIErrorSetRaised", handle)
    library().call("TVMFFIObjectDecRef", handle)


def check(status: int) -> None:
    """Raise the error of a C function whose status is not zero."""
    if status == 0:
        return
    error = take_error()
    raise error if error is not None else ForeignError("RuntimeError", f"a function failed with status {status}")
