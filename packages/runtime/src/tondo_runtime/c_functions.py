"""Plain C functions under names: ctypes functions, cffi pointers, addresses, with a signature.

Before: a C function ``int scale(const float* x, float* y, int64_t n)`` and ``"float32*, float32*, int64 -> status"``.
After: a registered function of the safe-call convention. Where llvmlite is installed the adapter is machine code, and
generated code calls the function without Python; elsewhere a ctypes call adapts it. Arguments that do not fit are
refused in both cases with the same message. Signatures are described in :mod:`tondo_runtime.signature`.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from tondo_runtime.abi import address_of
from tondo_runtime.errors import fail
from tondo_runtime.raised import remember
from tondo_runtime.registry import PackedFunction, add, caller_module
from tondo_runtime.signature import CType, Signature
from tondo_runtime.thunk import make_thunk
from tondo_runtime.trampoline import TRAMPOLINE_ADDRESS, Handle
from tondo_runtime.values import Value


class _CFunction(Protocol):
    """A ctypes function."""

    argtypes: Sequence[type] | None
    restype: type | None


class _CffiType(Protocol):
    """What cffi says about a type."""

    kind: str
    cname: str
    args: Sequence[_CffiType]
    result: _CffiType


_CTYPES_NAMES: Final[dict[object, str]] = {
    None: "void",
    ctypes.c_bool: "bool",
    ctypes.c_int8: "int8",
    ctypes.c_int16: "int16",
    ctypes.c_int32: "int32",
    ctypes.c_int64: "int64",
    ctypes.c_uint8: "uint8",
    ctypes.c_uint16: "uint16",
    ctypes.c_uint32: "uint32",
    ctypes.c_uint64: "uint64",
    ctypes.c_longlong: "int64",
    ctypes.c_ulonglong: "uint64",
    ctypes.c_float: "float32",
    ctypes.c_double: "float64",
    ctypes.c_void_p: "void*",
    ctypes.c_char_p: "char*",
}
_CFFI_NAMES: Final = {
    "_Bool": "bool",
    "signed char": "int8",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "long long": "int64",
    "unsigned char": "uint8",
    "unsigned short": "uint16",
    "unsigned int": "uint32",
    "unsigned long": "uint64",
    "unsigned long long": "uint64",
} | {f"{name}_t": name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")}


def register_c(
    name: str,
    function: object,
    signature: str | None = None,
    *,
    keep: object = None,
    override: bool = False,
    origin: str = "",
) -> None:
    """Register a plain C function.

    Args:
        name: the name.
        function: a ctypes function, a cffi function pointer, or a machine address.
        signature: its parameters and its result; by default what ctypes or cffi know about it.
        keep: what has to be kept alive with it; the function object is in any case.
        override: whether a function of that name may be replaced.
        origin: where it comes from, for :func:`tondo_runtime.describe`.

    Example:
        >>> import ctypes
        >>> libm = ctypes.CDLL(None)
        >>> register_c("libm.hypot", libm.hypot, "float64, float64 -> float64")

    Raises:
        RuntimeFailure: TND-U005 if the name is taken, the function has no address or no known signature.
    """
    address, known = _resolve(function)
    if not address:
        fail("TND-U005", f"the C function '{name}' has a null address")
    if signature is None and known is None:
        fail(
            "TND-U005",
            f"the signature of the C function '{name}' is not known",
            help="pass one, for example 'float32*, const float32*, int64 -> status', or set argtypes and restype",
        )
    parsed = Signature.parse(signature if signature is not None else known or "")
    where = origin or getattr(function, "__name__", "") or f"address {address:#x}"
    add(
        _packed(name, address, parsed, (function, keep), f"{where} ({parsed})", caller_module()),
        override=override,
    )


def _packed(name: str, address: int, signature: Signature, keep: object, origin: str, module: str) -> PackedFunction:
    adapter = _Adapter(name, address, signature)
    refused, failed = Handle(name, adapter.refuse, remember), Handle(name, adapter.check, remember)
    thunk = make_thunk(address, signature, refused.id, failed.id)
    if thunk is None:
        handle = Handle(name, adapter, remember)
        return PackedFunction(name, adapter, TRAMPOLINE_ADDRESS, handle.id, (handle, keep), origin, module)
    return PackedFunction(name, None, thunk.address, thunk.handle, (refused, failed, thunk, keep), origin, module)


class _Adapter:
    """Calls a C function through ctypes."""

    __slots__ = ("_call", "name", "signature")

    def __init__(self, name: str, address: int, signature: Signature) -> None:
        self.name = name
        self.signature = signature
        self._call = ctypes.CFUNCTYPE(signature.result.ctype, *[_parameter(param) for param in signature.params])(
            address
        )

    def __call__(self, *values: Value) -> object:
        """Call the function on tagged values."""
        result = cast("object", self._call(*self.signature.arguments(self.name, values)))
        if self.signature.result.kind == "status":
            self.check(cast("int", result))
            return None
        return result

    def check(self, status: int) -> None:
        """Refuse a status that is not zero."""
        if status != 0:
            fail("TND-R001", f"the C function '{self.name}' returned the status {status}")

    def refuse(self, *values: Value) -> None:
        """Raise what the machine code has found to be wrong with ``values``."""
        self.signature.arguments(self.name, values)
        fail("TND-U005", f"the arguments of '{self.name}' do not fit {self.signature}")


def _parameter(param: CType) -> type[ctypes.c_int]:
    return cast("type[ctypes.c_int]", param.ctype)  # any simple type; ctypes has no name for them in annotations


def _resolve(function: object) -> tuple[int, str | None]:
    """Return the address of a C function, and its signature if it is known."""
    if isinstance(function, int):
        return int(function), None
    if type(function).__module__ == "_cffi_backend":
        return _resolve_cffi(function)
    if not hasattr(function, "argtypes"):
        fail("TND-U005", f"a {type(function).__name__} is no C function", help="pass a ctypes or cffi function")
    found = cast("_CFunction", function)
    address = address_of(cast("Callable[..., object]", found))
    if found.argtypes is None:
        return address, None
    items = (*found.argtypes, found.restype)
    words = [name for item in items if (name := _ctypes_name(item)) is not None]
    return address, f"{', '.join(words[:-1])} -> {words[-1]}" if len(words) == len(items) else None


def _ctypes_name(item: object) -> str | None:
    if item in _CTYPES_NAMES:
        return _CTYPES_NAMES[item]
    target = _CTYPES_NAMES.get(getattr(item, "_type_", ""))
    return None if target is None or target.endswith("*") else f"{target}*"


def _resolve_cffi(function: object) -> tuple[int, str | None]:
    backend = importlib.import_module("_cffi_backend")
    kind = cast("_CffiType", backend.typeof(function))
    address = int(backend.cast(backend.new_primitive_type("uintptr_t"), function))
    if kind.kind != "function":
        return address, None
    words = [name for item in (*kind.args, kind.result) if (name := _cffi_name(item)) is not None]
    complete = len(words) == len(kind.args) + 1
    return address, f"{', '.join(words[:-1])} -> {words[-1]}" if complete else None


def _cffi_name(item: _CffiType) -> str | None:
    name = item.cname.replace("const ", "").strip()
    if name in {"void", "float", "double"}:
        return name
    if name.endswith("*"):
        target = name.removesuffix("*").strip()
        if target in {"void", "char", "float", "double"}:
            return f"{target}*"
        return f"{_CFFI_NAMES[target]}*" if target in _CFFI_NAMES else None
    return _CFFI_NAMES.get(name)
