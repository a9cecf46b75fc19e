"""How an operator is used: arguments with named dimensions, attributes, and what it may be asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tondo.ir import Var
from tondo_conformance.values import NUMBERS, Special, Values, normal

Dim = int | str
Size = int | Var
Attributes = Mapping[str, object] | Callable[[Mapping[str, Size]], Mapping[str, object]]
"""Attributes, or what makes them from the sizes of the named dimensions, which may be symbolic."""

PLAIN: Final = {"b": 2, "n": 5, "m": 7, "k": 19, "c": 6, "h": 9, "w": 11}
"""Sizes of the named dimensions of most cases."""

SERIES: Final = (
    {"b": 1, "n": 33, "m": 17, "k": 65, "c": 4, "h": 13, "w": 8},
    {"b": 1, "n": 1, "m": 1, "k": 1, "c": 1, "h": 1, "w": 1},
    {"b": 3, "n": 2, "m": 31, "k": 8, "c": 2, "h": 7, "w": 16},
    {"b": 2, "n": 130, "m": 257, "k": 96, "c": 19, "h": 34, "w": 37},
)
"""Sizes that one artifact is called with: tails, ones, powers of two, large."""


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument: its shape, its element type (empty: that of the case), its contents."""

    shape: tuple[Dim, ...]
    dtype: str = ""
    values: Values = normal


@dataclass(frozen=True, slots=True)
class Recipe:
    """A use of an operator.

    Attributes:
        op: the operator.
        args: the arguments.
        attrs: the attributes.
        name: tells uses of one operator apart.
        dtypes: element types to try; those that the type rule refuses are left out.
        special: special values it may be asked about.
        depth: dimensions over which it sums up; tolerances grow with the square root of their product.
        empty: named dimensions that may be 0; None: all.
        series: named dimensions that may be symbolic; None: all.
        least: smallest sizes of named dimensions in a series.
        scalar: whether it also takes arguments of rank 0.
        constant: arguments that are constants in a further case.
        rounding: element type to which intermediate values are rounded, if not that of the result.
    """

    op: str
    args: tuple[Arg, ...]
    attrs: Attributes = field(default_factory=dict[str, object])
    name: str = ""
    dtypes: tuple[str, ...] = NUMBERS
    special: Special = "all"
    depth: tuple[Dim, ...] = ()
    empty: tuple[str, ...] | None = None
    series: tuple[str, ...] | None = None
    least: Mapping[str, int] = field(default_factory=dict[str, int])
    scalar: bool = False
    constant: tuple[int, ...] = ()
    rounding: str = ""

    @property
    def dims(self) -> tuple[str, ...]:
        """Named dimensions, each once."""
        found = [extent for arg in self.args for extent in arg.shape if isinstance(extent, str)]
        return tuple(dict.fromkeys(found))

    def attributes(self, sizes: Mapping[str, Size]) -> Mapping[str, object]:
        """Return the attributes for ``sizes``."""
        return self.attrs(sizes) if callable(self.attrs) else self.attrs

    def variant(self, kind: str) -> str:
        """Return the name of a case of this use."""
        return f"{self.name}-{kind}" if self.name else kind


def args(*shapes: tuple[Dim, ...], values: Values = normal) -> tuple[Arg, ...]:
    """Return arguments of the element type of the case."""
    return tuple(Arg(shape, values=values) for shape in shapes)
