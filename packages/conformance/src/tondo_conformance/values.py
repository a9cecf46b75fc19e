"""Contents of arrays, seeded: what operators can be asked about without asking for undefined results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol, cast

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Shape = tuple[int, ...]
Special = Literal["all", "nan", "infinite", "none"]
"""Which special values an operator is asked about.

all       NaN, infinities, negative zero, the largest and the smallest normal number
nan       those without the large ones, whose sums depend on the order
infinite  infinities alone: whether a NaN wins is not promised
none      no special values
"""

Values = Callable[[np.random.Generator, Shape, "np.dtype[np.generic]"], Array]
"""Makes an array of a shape and an element type."""

FLOATS: Final = ("float32", "float64", "float16", "bfloat16")
INTEGERS: Final = ("int64", "int32", "int8", "uint8")
ALL_INTEGERS: Final = (*INTEGERS, "int16", "uint16", "uint32", "uint64")
NUMBERS: Final = (*FLOATS, *INTEGERS)
ALL_NUMBERS: Final = (*FLOATS, *ALL_INTEGERS)
BOOL: Final = ("bool",)
TINY: Final = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
ANY: Final = (*NUMBERS, *BOOL)


def numpy_dtype(name: str) -> np.dtype[np.generic]:
    """Return the numpy dtype called ``name``."""
    return np.dtype(getattr(ml_dtypes, name, name))


def is_float(name: str) -> bool:
    """Return whether ``name`` is a floating-point type."""
    return name.startswith(("float", "bfloat"))


def normal(rng: np.random.Generator, shape: Shape, dtype: np.dtype[np.generic]) -> Array:
    """Return normally distributed floats, small integers of both signs, or truth values."""
    if dtype.name == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if is_float(dtype.name):
        return np.asarray(rng.standard_normal(shape)).astype(dtype)
    low = 0 if dtype.name.startswith("uint") else -5
    return np.asarray(rng.integers(low, low + 11, shape)).astype(dtype)


def between(low: float, high: float) -> Values:
    """Return a maker of floats, or integers, from ``low`` to ``high``."""

    def make(rng: np.random.Generator, shape: Shape, dtype: np.dtype[np.generic]) -> Array:
        if is_float(dtype.name):
            return np.asarray(rng.uniform(low, high, shape)).astype(dtype)
        return np.asarray(rng.integers(int(low), int(high) + 1, shape)).astype(dtype)

    return make


def nonzero(rng: np.random.Generator, shape: Shape, dtype: np.dtype[np.generic]) -> Array:
    """Return numbers of magnitude 1 to 4, of both signs where there are."""
    magnitude = np.asarray(rng.uniform(1, 4, shape))
    signed = not dtype.name.startswith("uint")
    return (magnitude * (np.where(rng.random(shape) < 0.5, -1, 1) if signed else 1)).astype(dtype)


def fixed(values: npt.ArrayLike) -> Values:
    """Return a maker of an array that holds ``values``."""

    def make(rng: np.random.Generator, shape: Shape, dtype: np.dtype[np.generic]) -> Array:
        del rng
        return np.asarray(values).astype(dtype).reshape(shape)

    return make


def permutations(rng: np.random.Generator, shape: Shape, dtype: np.dtype[np.generic]) -> Array:
    """Return integers below the size of the last axis, each once along it: indices without duplicates."""
    order = rng.permuted(np.broadcast_to(np.arange(shape[-1] if shape else 1), shape or (1,)), axis=-1)
    return order.reshape(shape).astype(dtype)


def with_special(rng: np.random.Generator, array: Array, special: Special) -> Array:
    """Return ``array`` with special values among its elements; others than floats stay as they are."""
    if special == "none" or not is_float(array.dtype.name) or array.size == 0:
        return array
    chosen = _special_values(array.dtype, special)
    changed = array.copy().reshape(-1)
    places = rng.permutation(changed.size)[: min(len(chosen), max(1, changed.size // 4))]
    changed[places] = chosen[: len(places)]
    return changed.reshape(array.shape)


def _special_values(dtype: np.dtype[np.generic], special: Special) -> Array:
    values: list[float] = [np.inf, -np.inf] if special == "infinite" else [np.nan, np.inf, -np.inf, -0.0]
    found = np.array(values).astype(dtype)
    if special != "all":
        return found
    limits = cast("_Limits", ml_dtypes.finfo(dtype))
    large = [float(limits.max), float(limits.min), float(limits.smallest_normal)]
    return np.concatenate([found, np.array(large).astype(dtype)])


class _Limits(Protocol):
    """The part of the description of a floating-point type that is used here, whichever package it is from."""

    max: float
    min: float
    smallest_normal: float


def strided(array: Array, style: int) -> Array:
    """Return a view with the contents of ``array`` that is not contiguous.

    Styles: 0 axes in reversed order in memory, 1 every other element of a larger array, 2 backwards in memory.
    """
    if array.ndim == 0:
        return array
    if style % 3 == 0 and array.ndim > 1:
        return np.ascontiguousarray(array.T).T
    if style % 3 == 2:
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def sizes_of(names: Sequence[str], table: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes of ``names`` in ``table``."""
    return {name: table[name] for name in names}
