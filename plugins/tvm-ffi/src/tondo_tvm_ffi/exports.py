"""Registered functions of Tondo as global functions of tvm-ffi, under ``tondo.NAME``.

A Python function gets numpy views of the tensors and may return texts, arrays, tuples and dictionaries of any size. A
native function is called without Python; only when it fails does Python say why.
"""

from __future__ import annotations

import ctypes
import fnmatch
from typing import Final

from tondo_runtime import RuntimeFailure, get, names
from tondo_runtime.raised import take_raised
from tondo_runtime.registry import PackedFunction
from tondo_runtime.thunk import compile_thunk
from tondo_runtime.trampoline import TRAMPOLINE_ADDRESS, Handle
from tondo_tvm_ffi.bridge import connect
from tondo_tvm_ffi.errors import check, raise_there
from tondo_tvm_ffi.imports import SCHEME
from tondo_tvm_ffi.library import Text, library
from tondo_tvm_ffi.objects import function_of, native_function

PREFIX: Final = "tondo."
"""Names of exported functions begin with it."""

_GUARD: Final = f"""\
define i32 @tondo_guard(ptr %handle, ptr %args, i32 %n, ptr %result) {{
entry:
  %function = load ptr, ptr %handle, align 8
  %target.at = getelementptr i8, ptr %handle, i64 8
  %target = load ptr, ptr %target.at, align 8
  %rc = call i32 %function(ptr %target, ptr %args, i32 %n, ptr %result)
  %fine = icmp eq i32 %rc, 0
  br i1 %fine, label %done, label %failed
failed:
  %explain.at = getelementptr i8, ptr %handle, i64 16
  %explain = load ptr, ptr %explain.at, align 8
  %told = call i32 inttoptr (i64 {TRAMPOLINE_ADDRESS} to ptr)(ptr %explain, ptr null, i32 0, ptr %result)
  br label %done
done:
  ret i32 %rc
}}
"""


class _Guarded(ctypes.Structure):
    """A native function and the handle of the Python function that tells tvm-ffi why it failed."""

    _fields_ = (("function", ctypes.c_void_p), ("target", ctypes.c_void_p), ("explain", ctypes.c_void_p))


_exported: dict[str, tuple[object, ...]] = {}


def export_functions(pattern: str = "*", *, override: bool = False) -> tuple[str, ...]:
    """Make the registered functions whose names match ``pattern`` global functions of tvm-ffi.

    Args:
        pattern: a shell pattern; functions that come from tvm-ffi are left out.
        override: whether global functions of these names may be replaced.

    Returns:
        The names that they have there.

    Raises:
        RuntimeFailure: TND-P003 if apache-tvm-ffi is missing or of a version that is not supported, TND-U005 for a
            name that is taken.
    """
    connect()
    found: list[str] = []
    for name in names():
        if fnmatch.fnmatchcase(name, pattern) and not name.startswith(f"{SCHEME}:"):
            _export(get(name), override)
            found.append(PREFIX + name)
    return tuple(found)


def _export(function: PackedFunction, override: bool) -> None:
    name = PREFIX + function.name
    handle, keep = _native(function) if function.is_native else (function_of(name, function), ())
    try:
        status = library().call("TVMFFIFunctionSetGlobal", Text(name).ref, handle, int(override))
        check(status)
    except (RuntimeError, ValueError) as error:
        help_line = "pass override=True"
        raise RuntimeFailure("TND-U005", f"tvm-ffi refused the function '{name}': {error}", (), help_line) from error
    finally:
        library().call("TVMFFIObjectDecRef", handle)
    _exported[name] = (function, *keep)


def _native(function: PackedFunction) -> tuple[int, tuple[object, ...]]:
    """Return a function object for a native function, and what has to stay alive with it."""

    def explain() -> None:
        error = take_raised()
        if error is None:
            raise RuntimeFailure("TND-R001", f"the foreign function '{function.name}' failed without saying why")
        raise error

    code = compile_thunk(_GUARD, "tondo_guard")
    if code is None:
        return function_of(function.name, function), ()
    told = Handle(function.name, explain, raise_there)
    guarded = _Guarded(function.address, function.handle, told.id)
    return native_function(code[1], ctypes.addressof(guarded)), (told, guarded)
