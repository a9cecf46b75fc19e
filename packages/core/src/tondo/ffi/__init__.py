"""Foreign functions by name, callable from Python, from generated code and from other languages.

The registry itself lives in ``tondo_runtime``, because compiled models need it where the compiler is not installed;
what is registered here is what they call. The C calling convention and the layout of values are documented there.
"""

from __future__ import annotations

from tondo_runtime import Device, FunctionInfo, Pointer, describe, register_c, register_library
from tondo_runtime import list_functions as list
from tondo_runtime.registry import PackedFunction, call_native, get, names, register, register_native, remove

__all__ = [
    "Device",
    "FunctionInfo",
    "PackedFunction",
    "Pointer",
    "call_native",
    "describe",
    "get",
    "list",
    "names",
    "register",
    "register_c",
    "register_library",
    "register_native",
    "remove",
]
