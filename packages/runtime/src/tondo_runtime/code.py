"""Load machine code into this process: relocatable objects and shared objects.

All objects of one artifact go into one engine (llvmlite's ORC linker), so that they may refer to each other;
llvmlite is imported only then. Shared objects need nothing but the system's dynamic linker: from a file as it is,
from bytes through an anonymous file. Code stays loaded until :meth:`LoadedCode.close`.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from types import ModuleType

    from tondo_runtime.manifest import CodeSpec

CodeBytes: TypeAlias = bytes | bytearray | memoryview


class Code(Protocol):
    """Loaded machine code."""

    def address(self, symbol: str) -> int | None:
        """Return the address of a function, or None if the code does not define it."""
        ...

    def pin(self) -> None:
        """Keep the code loaded until the process ends, even after :meth:`close`."""
        ...

    def close(self) -> None:
        """Unload the code; no call into it may be in flight or follow."""
        ...


class LoadedCode:
    """Several loaded pieces, searched in order."""

    __slots__ = ("_parts", "_pinned")

    def __init__(self, parts: Sequence[Code]) -> None:
        """Own ``parts``."""
        self._parts = list(parts)
        self._pinned = False

    def address(self, symbol: str) -> int | None:
        """Return the address of a function, or None if no piece defines it."""
        for part in self._parts:
            address = part.address(symbol)
            if address is not None:
                return address
        return None

    def pin(self) -> None:
        """Keep the code loaded until the process ends."""
        self._pinned = True
        for part in self._parts:
            part.pin()

    def close(self) -> None:
        """Unload the code unless it is pinned."""
        if not self._pinned:
            for part in self._parts:
                part.close()
        self._parts.clear()


_engine_numbers = itertools.count()
_pinned: list[object] = []


class SharedObject:
    """A shared object opened by the dynamic linker."""

    __slots__ = ("__weakref__", "_library", "_unload")

    def __init__(self, path: str, descriptor: int | None = None) -> None:
        """Open ``path``; ``descriptor`` is an anonymous file to close with the library."""
        self._library: ctypes.CDLL | None = ctypes.CDLL(path)
        self._unload = weakref.finalize(self, _unload, self._library._handle, descriptor)  # noqa: SLF001
        self._unload.atexit = False

    @classmethod
    def from_bytes(cls, name: str, data: CodeBytes) -> SharedObject:
        """Open a shared object that is in memory.

        Raises:
            OSError: if the dynamic linker refuses it.
        """
        descriptor = _anonymous_file(name)
        if descriptor is None:
            return cls._from_temporary_file(name, data)
        try:
            _write_all(descriptor, data)
            # The linker recognises an open library by its path, so the descriptor (its number is the path) has to
            # stay taken as long as the library is open.
            return cls(f"/proc/self/fd/{descriptor}", descriptor)
        except OSError:
            os.close(descriptor)
            return cls._from_temporary_file(name, data)

    @classmethod
    def _from_temporary_file(cls, name: str, data: CodeBytes) -> SharedObject:
        with tempfile.TemporaryDirectory(prefix="tondo-") as folder:
            path = Path(folder) / (Path(name).name or "code.so")
            path.write_bytes(data)
            return cls(str(path))

    def address(self, symbol: str) -> int | None:
        """Return the address of ``symbol``, or None."""
        if self._library is None:
            return None
        try:
            function = self._library[symbol]
        except AttributeError:
            return None
        return ctypes.cast(function, ctypes.c_void_p).value

    def pin(self) -> None:
        """Keep the library open until the process ends."""
        self._unload.detach()

    def close(self) -> None:
        """Close the library."""
        self._library = None
        self._unload()


class ObjectEngine:
    """Relocatable objects linked in memory by llvmlite."""

    __slots__ = ("_engine", "_lookups", "_name", "_tracker")

    def __init__(self, objects: Mapping[str, CodeBytes]) -> None:
        """Link ``objects`` (name to bytes) with each other and with the symbols of this process.

        Raises:
            RuntimeFailure: TND-A004 without llvmlite, TND-A001 if the objects cannot be linked.
        """
        binding = _llvmlite(next(iter(objects), "code"))
        self._name = f"tondo{next(_engine_numbers)}"
        try:
            machine = binding.Target.from_default_triple().create_target_machine(jit=True)
            self._engine = binding.create_lljit_compiler(machine, use_jit_link=True, suppress_errors=True)
            builder = binding.JITLibraryBuilder()
            for data in objects.values():
                builder.add_object_img(bytes(data))
            self._tracker = builder.add_current_process().link(self._engine, self._name)
        except RuntimeError as error:
            fail("TND-A001", f"the objects {', '.join(objects)} cannot be linked: {str(error).strip()}")
        self._lookups: list[object] = []

    def address(self, symbol: str) -> int | None:
        """Return the address of ``symbol``, or None.

        Raises:
            RuntimeFailure: TND-A001 if the symbol exists and something that it needs does not.
        """
        if self._engine is None:
            return None
        try:
            found = self._engine.lookup(self._name, symbol)
        except RuntimeError as error:
            if "Symbols not found" in str(error):
                return None
            fail(
                "TND-A001",
                f"the function '{symbol}' cannot be linked: {str(error).strip()}",
                notes=("it refers to a function that neither the artifact nor this process defines",),
            )
        self._lookups.append(found)
        return int(found[symbol])

    def pin(self) -> None:
        """Keep the engine until the process ends; even interpreter shutdown must not free running code."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._engine))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._tracker))
        _pinned.append(self)

    def close(self) -> None:
        """Free the code."""
        self._lookups.clear()
        self._tracker = None
        self._engine = None


def load_code(specs: Sequence[CodeSpec], data: Mapping[str, CodeBytes]) -> LoadedCode:
    """Load the code members of an artifact.

    Args:
        specs: member paths and kinds.
        data: member path to bytes.

    Raises:
        RuntimeFailure: TND-A004 if llvmlite is needed and missing, TND-A001 if something cannot be loaded.
    """
    parts: list[Code] = []
    objects = {spec.member: data[spec.member] for spec in specs if spec.kind == "object"}
    if objects:
        parts.append(ObjectEngine(objects))
    for spec in specs:
        if spec.kind == "shared":
            parts.append(_open_shared(spec.member, data[spec.member]))
    return LoadedCode(parts)


def _open_shared(member: str, data: CodeBytes) -> SharedObject:
    try:
        return SharedObject.from_bytes(member, data)
    except OSError as error:
        fail("TND-A001", f"the shared object {member} cannot be opened: {error}")


def _llvmlite(member: str) -> ModuleType:
    try:
        binding = importlib.import_module("llvmlite.binding")
    except ImportError:
        fail(
            "TND-A004",
            f"{member} is a relocatable object, and llvmlite, which links it, is not installed",
            help='pip install "tondo-runtime[llvmlite]", or save the model on a machine with a linker (cc)',
        )
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


def _anonymous_file(name: str) -> int | None:
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.memfd_create(Path(name).name, os.MFD_CLOEXEC)
    except OSError:
        return None


def _write_all(descriptor: int, data: CodeBytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _unload(handle: int, descriptor: int | None) -> None:
    function = ctypes.CDLL(None).dlclose
    function.argtypes = (ctypes.c_void_p,)
    function(handle)
    if descriptor is not None:
        os.close(descriptor)
