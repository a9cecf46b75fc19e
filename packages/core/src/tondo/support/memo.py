"""Remember what a pure function returned for objects that never change."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, TypeVar

A = TypeVar("A")
R = TypeVar("R")

_ENTRIES: Final = 512


def memo(function: Callable[[A], R]) -> Callable[[A], R]:
    """Return ``function`` with its results remembered for the very object that it was given.

    Looked up by identity, so that it costs nothing for large trees, and what comes back refers to the object that was
    given and not to an equal one. Some hundred objects are kept alive; when there are more, all are forgotten.
    """
    known: dict[int, tuple[A, R]] = {}

    @functools.wraps(function)
    def remembering(value: A) -> R:
        found = known.get(id(value))
        if found is not None:
            return found[1]
        result = function(value)
        if len(known) >= _ENTRIES:
            known.clear()
        known[id(value)] = (value, result)  # holding the object keeps its identity from being given to another one
        return result

    return remembering
