"""The process-wide registry of named foreign functions.

A function is a Python callable, a native ``(address, handle)`` pair of the safe-call convention, or both: generated
code then takes the native one. A Python callable receives plain values and *writable* numpy views (valid during the
call only) and may be called from any thread. An exception never crosses native frames: it is kept, a status is
returned, and the Python side of the outer call raises :class:`RuntimeFailure` TND-R001 with the exception as its cause.

A name ``scheme:name`` that is not registered is looked for by the resolver of its scheme, which an installed package
may bring under the entry-point group ``tondo_runtime.resolvers``.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import inspect
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast, overload

from tondo_runtime.abi import AnyValue, SafeCall
from tondo_runtime.errors import RuntimeFailure, fail, suggest
from tondo_runtime.raised import remember, take_raised
from tondo_runtime.trampoline import TRAMPOLINE_ADDRESS, Handle, PythonFunction
from tondo_runtime.values import Value, load_value, pack_args

Resolver: TypeAlias = Callable[[str], "PackedFunction | None"]
"""Returns the function of a name without its scheme, or None if there is none."""
RESOLVER_GROUP = "tondo_runtime.resolvers"
F = TypeVar("F", bound=PythonFunction)


@dataclass(frozen=True, slots=True)
class PackedFunction:
    """A registered function; call it like any Python function.

    Attributes:
        name: registered name.
        function: the Python callable, or None for a native function.
        address: safe-call function for native callers.
        handle: first argument of that function.
        origin: where a native function comes from, such as ``libblas.so:cblas_sgemm``.
        module: the Python module that registered it.
    """

    name: str
    function: PythonFunction | None
    address: int
    handle: int
    _keep: object = None
    origin: str = ""
    module: str = ""

    @property
    def is_native(self) -> bool:
        """Whether generated code calls it without Python."""
        return self.address != TRAMPOLINE_ADDRESS

    def __call__(self, *args: object, **options: object) -> object:
        """Call the function; a native one gets tagged values, and ``options`` as JSON text at the end.

        Raises:
            RuntimeFailure: TND-R001 if a native function fails.
        """
        if self.function is not None:
            return self.function(*args, **options)
        told = (json.dumps({"attrs": options}),) if options else ()
        return _call(self.name, self.address, self.handle, (*args, *told))


def call_native(address: int, handle: int, args: tuple[object, ...] | list[object]) -> Value:
    """Call a safe-call function by address.

    Args:
        address: machine address of ``int f(void* handle, const Any* args, int32 n, Any* result)``.
        handle: its first argument.
        args: plain values, strings, arrays or DLPack objects; arrays are passed without a copy.

    Raises:
        RuntimeFailure: TND-R001 if it fails; the cause is the Python exception if there was one below.
    """
    return _call(f"at address {address:#x}", address, handle, args)


def failure_of(name: str, error: BaseException) -> BaseException:
    """Return the exception to raise for ``error`` of the foreign function ``name``; interrupts stay themselves."""
    if not isinstance(error, Exception):
        return error
    text = "".join(traceback.format_exception(error)).rstrip()
    if isinstance(error, RuntimeFailure):
        notes = (f"it raised {error.code}", *error.notes, text)
        return RuntimeFailure("TND-R001", f"the foreign function '{name}' failed: {error.message}", notes, error.help)
    return RuntimeFailure("TND-R001", f"the foreign function '{name}' raised {type(error).__name__}: {error}", (text,))


def _call(name: str, address: int, handle: int, args: tuple[object, ...] | list[object]) -> Value:
    packed = pack_args(args)
    result = AnyValue()
    take_raised()
    status = SafeCall(address)(handle, packed.address, len(args), ctypes.addressof(result))
    if status == 0:
        return load_value(result, owned=True)
    error = take_raised()
    if error is None:
        fail("TND-R001", f"the foreign function '{name}' failed with status {status}")
    raise failure_of(name, error) from error


_functions: dict[str, PackedFunction] = {}
_resolvers: dict[str, Resolver] = {}


@overload
def register(name: str, fn: None = None, *, override: bool = False) -> Callable[[F], F]: ...
@overload
def register(name: str, fn: F, *, override: bool = False) -> F: ...
def register(name: str, fn: F | None = None, *, override: bool = False) -> F | Callable[[F], F]:
    """Register a Python callable under ``name``; without ``fn`` it returns a decorator.

    Example:
        >>> @register("my.lib.double")
        ... def double(x, out):
        ...     out[...] = 2 * x

    Raises:
        RuntimeFailure: TND-U005 if the name is empty or taken and ``override`` is false.
    """
    module = caller_module()
    if fn is None:
        return lambda function: _register(name, function, override, module)
    return _register(name, fn, override, module)


def _register(name: str, fn: F, override: bool, module: str) -> F:
    handle = Handle(name, fn, remember)
    add(PackedFunction(name, fn, TRAMPOLINE_ADDRESS, handle.id, handle, module=module), override=override)
    return fn


def register_native(
    name: str, address: int, handle: int = 0, *, keep: object = None, override: bool = False, origin: str = ""
) -> None:
    """Register a native safe-call function.

    Args:
        name: the name.
        address: machine address of ``int f(void* handle, const Any* args, int32 n, Any* result)``.
        handle: its first argument.
        keep: what the registry has to keep alive with it, its library for example.
        override: whether a function of that name may be replaced.
        origin: where it comes from, for :func:`tondo_runtime.describe`.

    Raises:
        RuntimeFailure: TND-U005 if the name is empty or taken and ``override`` is false, or the address is null.
    """
    if not address:
        fail("TND-U005", f"the native function '{name}' has a null address")
    found = PackedFunction(name, None, address, handle, keep, origin or f"address {address:#x}", caller_module())
    add(found, override=override)


def get(name: str) -> PackedFunction:
    """Return the function registered under ``name``, or what the resolver of its scheme finds.

    Raises:
        RuntimeFailure: TND-R002 if there is none.
    """
    function = _functions.get(name)
    if function is None:
        function = _resolved(name)
    if function is None:
        fail(
            "TND-R002",
            f"no foreign function is registered as '{name}'",
            help=suggest(name, _functions) or f'register it first: tondo_runtime.register("{name}", function)',
        )
    return function


def names() -> tuple[str, ...]:
    """Return all registered names, sorted."""
    return tuple(sorted(_functions))


def remove(name: str) -> None:
    """Forget ``name``; sessions that already use the function keep it.

    Raises:
        RuntimeFailure: TND-R002 if there is none.
    """
    get(name)
    del _functions[name]


def add(function: PackedFunction, *, override: bool = False) -> None:
    """Register a function that exists.

    Raises:
        RuntimeFailure: TND-U005 if the name is empty or taken and ``override`` is false.
    """
    if not function.name:
        fail("TND-U005", "a foreign function needs a name")
    if function.name in _functions and not override:
        fail(
            "TND-U005",
            f"a foreign function is already registered as '{function.name}'",
            help="choose another name or pass override=True",
        )
    _functions[function.name] = function


def add_resolver(scheme: str, resolver: Resolver) -> None:
    """Have ``resolver`` look for functions ``scheme:name`` that are not registered; what it finds is registered."""
    _resolvers[scheme] = resolver


def caller_module() -> str:
    """Return the name of the module outside of the registries that asks for a registration."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in _REGISTRIES:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


_REGISTRIES = frozenset({__name__, "tondo_runtime.c_functions", "tondo_runtime.libraries"})


def _resolved(name: str) -> PackedFunction | None:
    scheme, found, rest = name.partition(":")
    if not found or not scheme.isidentifier():
        return None
    if scheme not in _resolvers:
        _load_resolver(scheme)
    resolver = _resolvers.get(scheme)
    function = None if resolver is None else resolver(rest)
    if function is not None:
        _functions[name] = function
    return function


def _load_resolver(scheme: str) -> None:
    entries = tuple(importlib.metadata.entry_points(group=RESOLVER_GROUP, name=scheme))
    if not entries:
        return
    try:
        _resolvers[scheme] = cast("Resolver", entries[0].load())
    except RuntimeFailure:
        raise
    except Exception as error:  # noqa: BLE001  whatever the package's import raises is told with its kind
        fail("TND-R002", f"functions '{scheme}:...' cannot be looked up: {type(error).__name__}: {error}")
