"""The safe-call function through which native code calls Python functions."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TypeAlias

from tondo_runtime.abi import SafeCall, address_of
from tondo_runtime.values import load_args, store_result

PythonFunction: TypeAlias = Callable[..., object]
ErrorSink: TypeAlias = Callable[[BaseException], None]


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
