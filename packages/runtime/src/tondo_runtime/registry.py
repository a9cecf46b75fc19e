"""The process-wide registry of named foreign functions, and the trampoline that lets native code call Python.

A function is either a Python callable or a native ``(address, handle)`` pair of the safe-call convention. A Python
callable receives plain values and *writable* numpy views (valid during the call only) and may be called from any
thread. An exception never crosses native frames: it is kept, -1 is returned, and the Python side of the outer call
raises :class:`RuntimeFailure` TND-R001 with the exception as its cause.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import threading
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, overload

from tondo_runtime.abi import AnyValue, SafeCall, address_of
from tondo_runtime.errors import RuntimeFailure, fail, suggest
from tondo_runtime.values import Value, load_args, load_value, pack_args, store_result

PythonFunction: TypeAlias = Callable[..., object]
ErrorSink: TypeAlias = Callable[[BaseException], None]
F = TypeVar("F", bound=PythonFunction)


class Handle:
    """What the trampoline needs to call one Python function and to deliver its exception; native code holds its id."""

    __slots__ = ("__weakref__", "function", "id", "name", "sink")

    def __init__(self, name: str, function: PythonFunction, sink: ErrorSink) -> None:
        """Make ``function`` callable through :data:`TRAMPOLINE_ADDRESS` as long as this object lives."""
        self.name = name
        self.function = function
        self.sink = sink
        self.id = next(_ids)
        _handles[self.id] = self


_ids = itertools.count(1)
_handles: weakref.WeakValueDictionary[int, Handle] = weakref.WeakValueDictionary()
_raised = threading.local()


def _remember(error: BaseException) -> None:
    _raised.error = error


def take_raised() -> BaseException | None:
    """Return and forget the exception that a Python function last raised below native code in this thread."""
    error: BaseException | None = getattr(_raised, "error", None)
    _raised.error = None
    return error


@SafeCall
def _trampoline(handle: int | None, args: int | None, count: int, result: int | None) -> int:
    entry = _handles.get(handle or 0)
    if entry is None:
        return -1
    try:
        store_result(result, entry.function(*load_args(args, count)))
    except BaseException as error:  # noqa: BLE001 - nothing may unwind through native frames
        entry.sink(error)
        return -1
    return 0


TRAMPOLINE_ADDRESS: int = address_of(_trampoline)
"""Safe-call function that calls the Python function of a :class:`Handle`."""


@dataclass(frozen=True, slots=True)
class PackedFunction:
    """A registered function; call it like any Python function.

    Attributes:
        name: registered name.
        function: the Python callable, or None for a native function.
        address: safe-call function for native callers.
        handle: first argument of that function.
    """

    name: str
    function: PythonFunction | None
    address: int
    handle: int
    _keep: object = None

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
    return RuntimeFailure("TND-R001", f"the foreign function '{name}' raised {type(error).__name__}: {error}", (text,))


def _call(name: str, address: int, handle: int, args: tuple[object, ...] | list[object]) -> Value:
    packed = pack_args(args)
    result = AnyValue()
    take_raised()
    status = SafeCall(address)(handle, packed.address, len(args), ctypes.addressof(result))
    if status == 0:
        return load_value(result)
    error = take_raised()
    if error is None:
        fail("TND-R001", f"the foreign function '{name}' failed with status {status}")
    raise failure_of(name, error) from error


_functions: dict[str, PackedFunction] = {}


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
    if fn is None:
        return lambda function: register(name, function, override=override)
    handle = Handle(name, fn, _remember)
    _add(PackedFunction(name, fn, TRAMPOLINE_ADDRESS, handle.id, handle), override)
    return fn


def register_native(name: str, address: int, handle: int = 0, *, keep: object = None, override: bool = False) -> None:
    """Register a native safe-call function; ``keep`` (its library, say) is kept alive by the registry.

    Raises:
        RuntimeFailure: TND-U005 if the name is empty or taken and ``override`` is false, or the address is null.
    """
    if not address:
        fail("TND-U005", f"the native function '{name}' has a null address")
    _add(PackedFunction(name, None, address, handle, keep), override)


def get(name: str) -> PackedFunction:
    """Return the function registered under ``name``.

    Raises:
        RuntimeFailure: TND-R002 if there is none.
    """
    function = _functions.get(name)
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


def _add(function: PackedFunction, override: bool) -> None:
    if not function.name:
        fail("TND-U005", "a foreign function needs a name")
    if function.name in _functions and not override:
        fail(
            "TND-U005",
            f"a foreign function is already registered as '{function.name}'",
            help="choose another name or pass override=True",
        )
    _functions[function.name] = function
