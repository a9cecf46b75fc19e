"""Whether two results are the same within what their element type can hold: the one table of tolerances.

An element is right if it differs from the reference by at most ``unit * sqrt(depth) * (|reference| + scale)``;
``scale``
is the median magnitude of the finite elements of the reference, because a sum that cancels keeps the error of what
was summed up. NaN and infinities have to be where the reference has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from tondo_conformance.outcome import mismatch

Array = npt.NDArray[np.generic]

TOLERANCES: Final[Mapping[str, float]] = {
    "float64": 1e-12,
    "float32": 2e-6,
    "float16": 2e-3,
    "bfloat16": 1.6e-2,
    "float8_e4m3fn": 0.125,
    "float8_e4m3fnuz": 0.125,
    "float8_e5m2": 0.25,
    "float8_e5m2fnuz": 0.25,
    "float8_e8m0fnu": 0.0,
    "float4_e2m1fn": 0.5,
}
"""Tolerated relative error by element type, about sixteen roundings; all others are compared exactly."""

_SHOWN: Final = 3


def compare(
    name: str,
    actual: Array,
    expected: Array,
    depth: int = 1,
    feed: Mapping[str, Array] | None = None,
    rounding: str = "",
) -> float:
    """Return the largest error as a share of what is tolerated.

    Args:
        name: of the result.
        actual: what the back end answers.
        expected: what the reference answers.
        depth: how many roundings one element may depend on.
        feed: the inputs, for the message.
        rounding: element type to which intermediate values are rounded; the one of the result if left out.

    Raises:
        Mismatch: if shape or element type differ, or elements by more than is tolerated.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        mismatch(f"'{name}' is {_type(actual)}, the reference {_type(expected)}{_inputs(feed)}")
    if expected.size == 0:
        return 0.0
    unit = TOLERANCES.get(expected.dtype.name)
    if unit is not None and rounding:
        unit = max(unit, TOLERANCES[rounding])
    if unit is None:
        wrong = actual != expected
        return 0.0 if not wrong.any() else _differs(name, actual, expected, wrong, feed)
    shares = _shares(actual, expected, unit * math.sqrt(max(1, depth)))
    worst = float(shares.max())
    return worst if worst <= 1 else _differs(name, actual, expected, shares > 1, feed)


def _shares(actual: Array, expected: Array, tolerance: float) -> npt.NDArray[np.float64]:
    """Return errors as shares of what is tolerated; infinite where one has a NaN or an infinity and the other not."""
    with np.errstate(all="ignore"):
        mine, other = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
        finite = np.isfinite(other)
        magnitudes = np.abs(other[finite])
        scale = float(np.median(magnitudes)) if magnitudes.size else 0.0
        tiny = _tiny(expected)
        allowed = tolerance * (np.abs(np.where(finite, other, 0)) + scale) + tiny
        shares = np.where(mine == other, 0.0, np.abs(mine - other) / allowed)
        same = (np.isnan(mine) & np.isnan(other)) | (mine == other)
        return np.where(finite & np.isfinite(mine), shares, np.where(same, 0.0, np.inf))


def _tiny(array: Array) -> float:
    """Return the smallest normal number: below it, elements may lose what is left of their precision."""
    match array.dtype.name:
        case "float64":
            return float(np.finfo(np.float64).smallest_normal)
        case "float16":
            return float(np.finfo(np.float16).smallest_normal)
        case _:
            return float(np.finfo(np.float32).smallest_normal)


def _differs(name: str, actual: Array, expected: Array, wrong: Array, feed: Mapping[str, Array] | None) -> float:
    places = np.argwhere(wrong)
    shown = [
        f"[{', '.join(map(str, place))}]: {actual[tuple(place)]} instead of {expected[tuple(place)]}"
        for place in places[:_SHOWN]
    ]
    more = f", and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    mismatch(f"'{name}', {_type(expected)}, differs at {'; '.join(shown)}{more}{_inputs(feed)}")


def _type(array: Array) -> str:
    return f"{array.dtype.name}{list(array.shape)}"


def _inputs(feed: Mapping[str, Array] | None) -> str:
    return f" (inputs: {', '.join(f'{name} {_type(array)}' for name, array in feed.items())})" if feed else ""
