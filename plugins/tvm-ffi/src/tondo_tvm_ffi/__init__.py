"""Functions and compiled models exchanged between Tondo and the tvm-ffi runtime, both ways."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tondo_tvm_ffi.bridge import connect
from tondo_tvm_ffi.errors import ForeignError
from tondo_tvm_ffi.exports import export_functions
from tondo_tvm_ffi.imports import function_names, import_functions
from tondo_tvm_ffi.objects import Foreign, ForeignFunction, Shape

if TYPE_CHECKING:
    from tondo_tvm_ffi.aot.export import export_library

__version__ = "0.1.0"

__all__ = [
    "Foreign",
    "ForeignError",
    "ForeignFunction",
    "Shape",
    "connect",
    "export_functions",
    "export_library",
    "function_names",
    "import_functions",
]


def __getattr__(name: str) -> object:
    """Return ``export_library``, whose compiler is imported when it is first asked for."""
    if name == "export_library":
        return importlib.import_module("tondo_tvm_ffi.aot.export").export_library
    msg = f"module 'tondo_tvm_ffi' has no attribute '{name}'"
    raise AttributeError(msg)
