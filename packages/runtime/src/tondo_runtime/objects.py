"""Values that are no tensors: texts, sequences, optional values.

Inside a compiled model such a value is a number, an int64 tensor without dimensions: its handle. What it stands for is
kept by the call in flight, in a table of this thread, and forgotten when the call ends, so that nothing outlives it.
Values are never changed; functions that work on them make new ones.

What a handle stands for is described by a text: ``text`` (a tensor of texts, a numpy array of ``str`` objects), the
name of an element type (a tensor), ``seq(...)`` (a tuple of values of one kind), ``opt(...)`` (such a value, or None).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, cast

import numpy as np

from tondo_runtime.dtypes import NAMES, dtype_of
from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array

TEXT: Final = "text"
_NESTED: Final = re.compile(r"(seq|opt)\((.*)\)\Z")
_MAX_KIND: Final = 256


class _Local(threading.local):
    def __init__(self) -> None:
        self.tables: list[list[object]] = []


_local = _Local()


@contextmanager
def scope() -> Generator[None]:
    """Keep the values of one call; handles that are made inside mean nothing after it."""
    _local.tables.append([])
    try:
        yield
    finally:
        _local.tables.pop()


def put(value: object) -> int:
    """Return a handle of ``value``.

    Raises:
        RuntimeFailure: TND-R003 outside of a call.
    """
    if not _local.tables:
        fail("TND-R003", "a text, sequence or optional value is made outside of a call")
    table = _local.tables[-1]
    table.append(value)
    return len(table)


def get(handle: object) -> object:
    """Return what ``handle``, a number or an array of one, stands for.

    Raises:
        RuntimeFailure: TND-R003 for a number that is no handle of this call.
    """
    number = int(cast("int", handle))
    table = _local.tables[-1] if _local.tables else []
    if not 1 <= number <= len(table):
        fail("TND-R003", f"{number} is no handle of this call")
    return table[number - 1]


def count() -> int:
    """Return how many values the calls of this thread keep."""
    return sum(len(table) for table in _local.tables)


def is_kind(kind: str) -> bool:
    """Return whether ``kind`` describes a value that is no plain tensor."""
    nested = _NESTED.match(kind) if len(kind) <= _MAX_KIND else None
    return kind == TEXT or (nested is not None and (nested[2] in NAMES or is_kind(nested[2])))


def take(kind: str, value: object, what: str) -> object:
    """Return what the user passed as ``what`` in the form that functions expect.

    Raises:
        RuntimeFailure: TND-U003 for a tensor of another element type, TND-U005 for another kind of value.
    """
    nested = _NESTED.match(kind)
    if kind == TEXT:
        return texts(value, what)
    if nested is None:
        return _tensor(kind, value, what)
    if nested[1] == "opt":
        return None if value is None else take(nested[2], value, what)
    if not isinstance(value, (list, tuple)):
        _refuse(what, value, "a list")
    items = cast("Sequence[object]", value)
    return tuple(take(nested[2], item, f"item {position} of {what}") for position, item in enumerate(items))


def give(value: object) -> object:
    """Return a value as the user gets it: sequences as lists."""
    if isinstance(value, tuple):
        return [give(item) for item in cast("tuple[object, ...]", value)]
    return value


def texts(value: object, what: str) -> Array:
    """Return texts as an array of ``str`` objects; bytes are read as UTF-8.

    Raises:
        RuntimeFailure: TND-U005 for anything else.
    """
    array = np.asarray(value, object)
    flat = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in array.reshape(-1)]
    for item in flat:
        if not isinstance(item, str):
            _refuse(what, item, "a text")
    result = np.empty(len(flat), object)
    result[:] = [str(item) for item in flat]
    return cast("Array", result.reshape(array.shape))


def _tensor(kind: str, value: object, what: str) -> Array:
    if not isinstance(value, (np.ndarray, np.generic)):
        _refuse(what, value, "an array")
    array = np.asarray(cast("Array", value))
    if array.dtype != dtype_of(kind).numpy:
        fail("TND-U003", f"{what} has element type {array.dtype.name}, the model expects {kind}")
    return array


def _refuse(what: str, value: object, wanted: str) -> NoReturn:
    fail("TND-U005", f"{what} is a {type(value).__name__}, not {wanted}")
