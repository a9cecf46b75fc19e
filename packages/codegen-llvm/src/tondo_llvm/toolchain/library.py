"""The LLVM library: one-time set-up, and the two slow entry points without the binding's lock.

The Python binding of llvmlite takes one process-wide lock around every call, so two threads never compile at once.
LLVM itself is safe as long as each thread has its own context. Cheap calls (create, parse, configure, dispose)
therefore go through the public binding; optimising and emitting go through a second handle on the same shared
library, without the lock. Both handles reach the same code, and ctypes releases the interpreter lock during a call.

Measured on two cores (20 matrix kernels, opt level 3): one thread 1.08 s, two locked threads 1.14 s, two unlocked
threads 0.55 s, two processes 0.56 s. So threads win as much as processes, start at once and need no second Python.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.resources
from typing import TYPE_CHECKING

import llvmlite
import llvmlite.binding as llvm
from llvmlite.utils import get_library_name

from tondo_llvm.toolchain.failure import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable


@functools.cache
def initialize() -> None:
    """Register all targets of the library, once per process."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    # Inline assembly needs a parser; the binding offers only the one of the machine that compiles.
    llvm.initialize_native_asmparser()


@functools.cache
def llvm_version() -> str:
    """Return the version of LLVM and of its binding, for cache keys: ``22.1.0+llvmlite-0.50.0``."""
    return ".".join(str(part) for part in llvm.llvm_version_info) + f"+llvmlite-{llvmlite.__version__}"


class _Unlocked:
    """Typed prototypes of the slow entry points."""

    __slots__ = ("dispose_buffer", "dispose_string", "emit", "optimize", "size", "start")

    def __init__(self, library: ctypes.CDLL) -> None:
        pointer, message = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
        self.optimize = _prototype(library, "LLVMPY_RunNewModulePassManager", None, pointer, pointer, pointer)
        self.emit = _prototype(
            library, "LLVMPY_TargetMachineEmitToMemory", pointer, pointer, pointer, ctypes.c_int, message
        )
        self.start = _prototype(library, "LLVMPY_GetBufferStart", pointer, pointer)
        self.size = _prototype(library, "LLVMPY_GetBufferSize", ctypes.c_size_t, pointer)
        self.dispose_buffer = _prototype(library, "LLVMPY_DisposeMemoryBuffer", None, pointer)
        self.dispose_string = _prototype(library, "LLVMPY_DisposeString", None, pointer)


def _prototype(library: ctypes.CDLL, name: str, result: type | None, *arguments: type) -> Callable[..., int]:
    function = library[name]  # a fresh function object, so the binding's own prototypes stay untouched
    function.restype = result
    function.argtypes = list(arguments)
    return function


@functools.cache
def _unlocked() -> _Unlocked:
    initialize()
    with importlib.resources.as_file(importlib.resources.files("llvmlite.binding") / get_library_name()) as path:
        return _Unlocked(ctypes.CDLL(str(path)))


def optimize(module: llvm.ModuleRef, machine: llvm.TargetMachine, tuning: llvm.PipelineTuningOptions) -> None:
    """Run the standard pipeline of ``tuning``'s level over ``module``."""
    with llvm.create_pass_builder(machine, tuning) as builder, builder.getModulePassManager() as passes:
        _unlocked().optimize(passes, module, builder)


def emit(module: llvm.ModuleRef, machine: llvm.TargetMachine, *, as_object: bool) -> bytes:
    """Return the object file or the assembly text of ``module``.

    Raises:
        RefusedError: if LLVM says that it cannot.
    """
    library = _unlocked()
    message = ctypes.c_void_p()
    buffer = library.emit(machine, module, int(as_object), ctypes.byref(message))
    if not buffer:
        text = ctypes.string_at(message.value).decode() if message.value else "no object was produced"
        if message.value:
            library.dispose_string(message)
        raise RefusedError(text)
    try:
        return ctypes.string_at(library.start(buffer), library.size(buffer))
    finally:
        library.dispose_buffer(buffer)
