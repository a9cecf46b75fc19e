"""What is known about the sizes that symbolic dimensions have.

A module says it in its attribute ``dimensions``: ``{name: (low, high)}``, ``high`` None for unbounded, written by the
frontend that read the model. A tensor function says it in its attribute ``bounds``, for its scalar parameters, and
relies on it: whoever calls it keeps to it. Dimensions that are not named there are at least 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tondo.arith.analyzer import Analyzer
from tondo.arith.interval import Interval
from tondo.ir import Attrs, AttrValue, IRModule, TensorFunction, Var

BOUNDS: Final = "bounds"
"""Attribute of a tensor function: the bounds of its scalar parameters."""
DIMENSIONS: Final = "dimensions"
"""Attribute of a module: the bounds of its symbolic dimensions."""
USUAL: Final = Interval(1, None)
"""The sizes of a dimension of which nothing is said."""

Bounds = Mapping[str, tuple[int, int | None]]


def dimension_bounds(module: IRModule, given: Bounds) -> dict[str, Interval]:
    """Return what is known of dimensions by name: what the module says, else what is ``given``."""
    stated = module.attrs.get(DIMENSIONS)
    found = {name: Interval(*limits) for name, limits in given.items()}
    return {**found, **_intervals(stated)} if isinstance(stated, Attrs) else found


def size_bounds(function: TensorFunction) -> dict[Var, Interval]:
    """Return the values that the integer scalar parameters of ``function`` have."""
    stated = function.attrs.get(BOUNDS)
    named = _intervals(stated) if isinstance(stated, Attrs) else {}
    return {var: named.get(var.name, USUAL) for var in function.scalars if var.dtype.is_integer}


def size_analyzer(function: TensorFunction) -> Analyzer:
    """Return an analyzer that knows the values of the scalar parameters of ``function``."""
    return Analyzer(size_bounds(function))


def bounds_attribute(bounds: Mapping[str, Interval]) -> Attrs:
    """Return bounds as the attributes hold them."""
    return Attrs({name: (limits.low, limits.high) for name, limits in bounds.items()})


def _intervals(stated: Attrs) -> dict[str, Interval]:
    return {name: _interval(value) for name, value in stated.items()}


def _interval(value: AttrValue) -> Interval:
    assert isinstance(value, tuple)
    low, high = value
    return Interval(low if isinstance(low, int) else None, high if isinstance(high, int) else None)
