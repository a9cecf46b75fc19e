"""Functions on tensors of texts. Regular expressions are those of Python, which RE2 has fewer of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from tondo_runtime.dtypes import dtype_of
from tondo_runtime.errors import fail
from tondo_runtime.objects import get, put
from tondo_runtime.registry import register

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array


def _texts(handle: Array) -> Array:
    return cast("Array", get(handle))


def _array(items: Sequence[object], shape: Sequence[int]) -> Array:
    result = np.empty(len(items), object)
    result[:] = list(items)
    return cast("Array", result.reshape(shape))


def _given(value: Array, out: Sequence[Array]) -> Array | None:
    if not out:
        return value
    out[0][...] = value
    return None


@register("tondo.text.constant")
def constant(out: Array, *, values: Sequence[str], shape: Sequence[int]) -> None:
    """Make a tensor of texts."""
    out[...] = put(_array(values, shape))


@register("tondo.text.pick")
def pick(positions: Array, out: Array, *, values: Sequence[str]) -> None:
    """Make a tensor of those ``values`` that stand at ``positions``."""
    out[...] = put(_array([values[place] for place in positions.reshape(-1).tolist()], positions.shape))


@register("tondo.text.find")
def find(x: Array, *out: Array, keys: Sequence[str]) -> Array | None:
    """Return the position in ``keys`` of each text, counted from 1; 0 for one that is not there."""
    known = {key: place for place, key in enumerate(keys, 1)}
    value = _texts(x)
    return _given(np.array([known.get(item, 0) for item in value.reshape(-1)], np.int64).reshape(value.shape), out)


@register("tondo.text.concat")
def concat(a: Array, b: Array, out: Array) -> None:
    """Append texts to texts, with broadcasting."""
    out[...] = put(np.asarray(np.add(_texts(a), _texts(b)), object))


@register("tondo.text.equal")
def equal(a: Array, b: Array, *out: Array) -> Array | None:
    """Return which texts are equal, with broadcasting."""
    return _given(np.asarray(_texts(a) == _texts(b), bool), out)


@register("tondo.text.match")
def match(x: Array, *out: Array, pattern: str) -> Array | None:
    """Return which texts match a regular expression as a whole."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        fail("TND-R003", f"'{pattern}' is no regular expression: {error}")
    value = _texts(x)
    found = [compiled.fullmatch(item) is not None for item in value.reshape(-1)]
    return _given(np.array(found, bool).reshape(value.shape), out)


def _parts(value: Array, delimiter: str, most: int) -> list[list[str]]:
    return [item.split(delimiter or None, most) for item in value.reshape(-1)]


@register("tondo.text.split")
def split(x: Array, out: Array, *, delimiter: str = "", most: int = -1) -> None:
    """Split texts at a delimiter (none: at spaces) into parts ``[.., most parts]``, filled with empty texts."""
    value = _texts(x)
    rows = _parts(value, delimiter, most)
    width = max((len(row) for row in rows), default=0)
    out[...] = put(_array([part for row in rows for part in (*row, *[""] * (width - len(row)))], (*value.shape, width)))


@register("tondo.text.parts")
def parts(x: Array, *out: Array, delimiter: str = "", most: int = -1) -> Array | None:
    """Return how many parts each text has."""
    value = _texts(x)
    return _given(np.array([len(row) for row in _parts(value, delimiter, most)], np.int64).reshape(value.shape), out)


@register("tondo.text.normalize")
def normalize(x: Array, out: Array, *, case: str, stopwords: Sequence[str], sensitive: bool) -> None:
    """Leave out stop words and change the case of texts ``[n]`` or ``[1, n]``; without any there is one empty text."""
    value = _texts(x)
    stops = set(stopwords) if sensitive else {word.lower() for word in stopwords}
    kept = [item for item in value.reshape(-1) if (item if sensitive else item.lower()) not in stops]
    changed = [item.lower() if case == "LOWER" else item.upper() if case == "UPPER" else item for item in kept]
    found = changed or [""]
    out[...] = put(_array(found, (len(found),) if value.ndim == 1 else (1, len(found))))


@register("tondo.text.parse")
def parse(x: Array, *out: Array, element: str) -> Array | None:
    """Read texts as numbers."""
    value, target = _texts(x), dtype_of(element).numpy
    try:
        if target.kind in "iu":
            found = np.array([int(item) for item in value.reshape(-1)], target)
        else:
            found = np.array([float(item) for item in value.reshape(-1)], np.float64).astype(target)
    except (ValueError, OverflowError) as error:
        fail("TND-R003", f"a text is no {element}: {error}")
    return _given(found.reshape(value.shape), out)


@register("tondo.text.format")
def format_numbers(x: Array, out: Array) -> None:
    """Write numbers as texts, with as many digits as tell them from others of their type."""
    flat = x.reshape(-1)
    if x.dtype.kind == "b":
        found = ["1" if item else "0" for item in flat]
    else:
        found = [_number(item) for item in flat]
    out[...] = put(_array(found, x.shape))


def _number(item: np.generic) -> str:
    if not np.issubdtype(item.dtype, np.floating) and item.dtype.kind in "iu":
        return str(int(item))  # type: ignore[call-overload]
    value = float(item)  # type: ignore[arg-type]
    if value != value:
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "INF" if value > 0 else "-INF"
    return (
        np.format_float_positional(cast("np.floating", item), unique=True, trim="-")
        if abs(value) < 1e16
        else repr(value)
    )
