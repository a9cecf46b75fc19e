"""Exceptions that wait on the far side of native frames, one per thread, until somebody on the near side asks.

Nothing may unwind through native code: whoever catches an exception below it remembers it here and returns a status.
Other runtimes keep the error of their last failed function in the same way; :func:`add_error_source` makes them heard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

ErrorSource: TypeAlias = Callable[[], "BaseException | None"]
"""Returns and forgets the error that a foreign runtime keeps for the calling thread."""

# By the number of the thread, not in a ``threading.local``: a thread that Python did not start has a new one of these
# each time that it enters Python.
_raised: dict[int, BaseException] = {}
_sources: list[ErrorSource] = []


def remember(error: BaseException) -> None:
    """Keep ``error`` for the calling thread."""
    _raised[threading.get_ident()] = error


def take_raised() -> BaseException | None:
    """Return and forget the error of the foreign function that failed last in the calling thread."""
    error = _raised.pop(threading.get_ident(), None)
    if error is not None:
        return error
    for source in _sources:
        error = source()
        if error is not None:
            return error
    return None


def add_error_source(source: ErrorSource) -> None:
    """Ask ``source`` as well when a native function has failed."""
    if source not in _sources:
        _sources.append(source)
