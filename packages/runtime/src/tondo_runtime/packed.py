"""Calls of Python functions from generated code that say more than arguments do.

Such a call ends with JSON text: ``attrs``, which the function gets as keyword arguments, and ``results``, element types
and ranks of results whose shapes the function decides. The function returns these (one array, or a tuple of them);
before the text stand two arguments for each, the slot that it goes to and where its shape is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from tondo_runtime.dtypes import dtype_of
from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array

Memory = Callable[[int, int], "Array | None"]
"""Returns so many bytes of a slot, by its number; None if there is no memory."""


def adapted(name: str, function: Callable[..., object], memory: Memory) -> Callable[..., object]:
    """Return ``function``, registered as ``name``, as generated code calls it; without JSON text nothing changes."""

    def call(*args: object) -> object:
        if not args or not isinstance(args[-1], str):
            return function(*args)
        text = cast("dict[str, object]", json.loads(args[-1]))
        options = cast("dict[str, object]", text.get("attrs", {}))
        kinds = [
            (str(kind), int(cast("int", rank))) for kind, rank in cast("list[list[object]]", text.get("results", []))
        ]
        given, places = args[: -1 - 2 * len(kinds)], args[len(args) - 1 - 2 * len(kinds) : -1]
        found = arrays_of(name, function(*given, **options), kinds)
        for array, slot, shape in zip(found, places[::2], places[1::2], strict=True):
            raw = memory(cast("int", slot), array.nbytes)
            if raw is None:
                fail("TND-R003", f"there is no memory for a result of '{name}' of {array.nbytes} bytes")
            raw[: array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            cast("Array", shape)[...] = array.shape
        return None

    return call


def arrays_of(name: str, returned: object, kinds: Sequence[tuple[str, int]]) -> list[Array]:
    """Return what the function ``name`` returned as arrays of ``kinds``, pairs of element type and rank.

    Raises:
        RuntimeFailure: TND-R001 for something else.
    """
    if not kinds:
        return []
    values = list(cast("tuple[object, ...]", returned)) if isinstance(returned, tuple) else [returned]
    if len(values) != len(kinds):
        fail("TND-R001", f"the foreign function '{name}' returned {len(values)} results instead of {len(kinds)}")
    arrays: list[Array] = []
    for value, (kind, rank) in zip(values, kinds, strict=True):
        if not isinstance(value, np.ndarray):
            fail("TND-R001", f"the foreign function '{name}' returned a {type(value).__name__} instead of an array")
        array = cast("Array", value)
        if array.dtype != dtype_of(kind).numpy or array.ndim != rank:
            fail(
                "TND-R001",
                f"the foreign function '{name}' returned {array.dtype} of {array.ndim} dimensions instead of {kind} of "
                f"{rank}",
            )
        arrays.append(array)
    return arrays
