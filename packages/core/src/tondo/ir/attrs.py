"""Attributes: an immutable mapping from names to plain values, hashable, in insertion order."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import TypeAlias, cast

from tondo.ir.dtype import DType
from tondo.ir.expr import Expr

AttrValue: TypeAlias = "int | float | str | bool | DType | Expr | tuple[AttrValue, ...] | Attrs | None"


class Attrs(Mapping[str, AttrValue]):
    """An immutable mapping of attribute names to values.

    Values are numbers, strings, booleans, None, dtypes, expressions, tuples of these and nested ``Attrs``.
    Lists are taken as tuples and dictionaries as ``Attrs``. Order does not count in equality; types do (1, 1.0 and True
    differ), and floating-point numbers are compared by their bits, so that NaN equals itself and -0.0 differs from 0.0.
    """

    __slots__ = ("_items", "_key")

    def __init__(self, values: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Take the pairs of ``values`` and of the keywords."""
        merged = {**(values or {}), **more}
        self._items: dict[str, AttrValue] = {name: freeze(value) for name, value in merged.items()}
        self._key: frozenset[object] | None = None

    def __getitem__(self, name: str) -> AttrValue:
        """Return the value of ``name``."""
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._items)

    def __len__(self) -> int:
        """Return the number of attributes."""
        return len(self._items)

    def _compared(self) -> frozenset[object]:
        if self._key is None:
            self._key = frozenset((name, _comparable(value)) for name, value in self._items.items())
        return self._key

    def __hash__(self) -> int:
        """Return a hash that follows equality."""
        return hash(self._compared())

    def __eq__(self, other: object) -> bool:
        """Compare names, values and the types of the values."""
        if not isinstance(other, Attrs):
            return NotImplemented
        return self is other or self._compared() == other._compared()

    def __repr__(self) -> str:
        """Return ``Attrs(name=value, ...)``."""
        return f"Attrs({', '.join(f'{name}={value!r}' for name, value in self._items.items())})"

    def with_(self, **changes: object) -> Attrs:
        """Return a copy with ``changes`` applied."""
        return Attrs({**self._items, **changes})

    def without(self, *names: str) -> Attrs:
        """Return a copy that lacks ``names``."""
        return Attrs({name: value for name, value in self._items.items() if name not in names})


EMPTY = Attrs()


def attrs_json(attrs: Attrs) -> str:
    """Return ``attrs`` as JSON text, as foreign functions get them; element types are written by their names.

    Raises:
        TypeError: for expressions, which have no values there.
    """
    return json.dumps(_plain(attrs))


def _plain(value: AttrValue) -> object:
    match value:
        case Attrs():
            return {name: _plain(item) for name, item in value.items()}
        case tuple():
            return [_plain(item) for item in value]
        case DType():
            return str(value)
        case Expr():
            msg = "an expression cannot be passed to a foreign function"
            raise TypeError(msg)
        case _:
            return value


def _comparable(value: AttrValue) -> object:
    match value:
        case float():
            return "nan" if math.isnan(value) else struct.pack("<d", value)
        case tuple():
            return tuple(_comparable(item) for item in value)
        case _:
            return (type(value).__name__, value)


def freeze(value: object) -> AttrValue:
    """Return ``value`` as an attribute value.

    Raises:
        TypeError: if it is of a type that attributes cannot hold.
    """
    if value is None or isinstance(value, (bool, DType, Expr, Attrs)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, (tuple, list)):
        return tuple(freeze(item) for item in cast("Sequence[object]", value))
    if isinstance(value, Mapping):
        return Attrs({str(name): item for name, item in cast("Mapping[object, object]", value).items()})
    msg = f"attributes cannot hold a {type(value).__name__}"
    raise TypeError(msg)
