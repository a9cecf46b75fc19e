"""Global functions of tvm-ffi as foreign functions of Tondo, under ``tvm_ffi:NAME``.

Generated code calls the safe-call functions of C++ functions directly, without Python and without a copy, with views
of tensors (``DLTensor*``); a session holds one reference to each function. Callbacks into Python, and calls from
Python, get tensor objects over the same memory, which is theirs during the call only. The runtime asks :func:`resolve`
for a name that is not registered, so importing is only needed to see the names in lists.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Final, cast

from tondo_runtime import get, names
from tondo_runtime.raised import remember
from tondo_runtime.registry import PackedFunction, add, failure_of
from tondo_runtime.trampoline import TRAMPOLINE_ADDRESS, Handle
from tondo_tvm_ffi.bridge import connect
from tondo_tvm_ffi.objects import ForeignFunction, global_function, helper

SCHEME: Final = "tvm_ffi"
"""Names of imported functions begin with it and a colon."""


def function_names(pattern: str = "*") -> tuple[str, ...]:
    """Return the names of the global functions that match the shell pattern ``pattern``, sorted.

    Raises:
        RuntimeFailure: TND-P003 if apache-tvm-ffi is missing or of a version that is not supported.
    """
    connect()
    listed = cast("ForeignFunction", helper("ffi.FunctionListGlobalNamesFunctor")())
    found = [str(listed(place)) for place in range(cast("int", listed(-1)))]
    return tuple(sorted(name for name in found if fnmatch.fnmatchcase(name, pattern)))


def import_functions(pattern: str = "*") -> tuple[str, ...]:
    """Register the global functions whose names match ``pattern``; returns the names that they have here.

    A function that was imported before is looked up anew.

    Raises:
        RuntimeFailure: TND-P003 if apache-tvm-ffi is missing or of a version that is not supported.
    """
    found: list[str] = []
    for name in function_names(pattern):
        function = resolve(name)
        if function is not None:
            add(function, override=True)
            found.append(function.name)
    return tuple(found)


def resolve(name: str) -> PackedFunction | None:
    """Return the global function ``name`` of tvm-ffi as a foreign function, or None if there is none.

    Raises:
        RuntimeFailure: TND-P003 if apache-tvm-ffi is missing or of a version that is not supported.
    """
    connect()
    function = global_function(name)
    if function is None:
        return None
    known, origin = f"{SCHEME}:{name}", f"tvm-ffi:{name}"
    caller = _Caller(known, function)
    if function.is_compiled:
        return PackedFunction(known, caller, function.safe_call, function.handle, function, origin, __name__)
    handle = Handle(known, function, remember)
    return PackedFunction(known, caller, TRAMPOLINE_ADDRESS, handle.id, (handle, function), origin, __name__)


class _Caller:
    """Calls a function from Python; errors of a compiled one are reported as those of native functions are."""

    def __init__(self, name: str, function: ForeignFunction) -> None:
        self.__doc__ = f"The function '{name.partition(':')[2]}' of tvm-ffi."
        self._name = name
        self._function = function

    def __call__(self, *args: object, **options: object) -> object:
        told = (json.dumps({"attrs": options}),) if options else ()
        if not self._function.is_compiled:
            return self._function(*args, *told)
        try:
            return self._function(*args, *told)
        except Exception as error:
            raise failure_of(self._name, error) from error


def imported() -> tuple[PackedFunction, ...]:
    """Return the functions that are registered under names of this scheme."""
    return tuple(get(name) for name in names() if name.startswith(f"{SCHEME}:"))
