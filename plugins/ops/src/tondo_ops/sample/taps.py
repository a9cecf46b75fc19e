"""What sampling operators share: the elements around a coordinate and their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tondo.ir import FLOAT32, INT64, Const, DType, Expr, const, intrin, logical_and, maximum, minimum, select
from tondo_ops.support.dims import ZERO

CUBIC_COEFFICIENT = -0.75


@dataclass(frozen=True, slots=True)
class Tap:
    """An element that takes part along one axis: its position (may lie outside), its weight."""

    place: Expr
    weight: Expr


def real(value: Expr, kind: DType = FLOAT32) -> Expr:
    """Return a dimension as a float."""
    return const(float(value.value), kind) if isinstance(value, Const) else value.astype(kind)


def cubic_weights(fraction: Expr, a: float) -> list[Expr]:
    """Return the weights of the four taps around a position (Keys, 1981), for its fraction behind the second one."""

    def far(t: Expr) -> Expr:
        return ((t * a - 5 * a) * t + 8 * a) * t - 4 * a

    def near(t: Expr) -> Expr:
        return (t * (a + 2) - (a + 3)) * t * t + 1.0

    return [far(fraction + 1.0), near(fraction), near(1.0 - fraction), far(2.0 - fraction)]


def weights(mode: str, fraction: Expr) -> list[Expr]:
    """Return the weights of the taps around a position, for its fraction behind the one before it."""
    if mode == "nearest":
        return [const(1, fraction.dtype)]
    if mode == "linear":
        return [1.0 - fraction, fraction]
    return cubic_weights(fraction, CUBIC_COEFFICIENT)


def inside(place: Expr, size: Expr) -> Expr:
    """Return whether ``place`` is a position of an axis of ``size``."""
    return logical_and(place >= ZERO, place < size)


def nearest_inside(place: Expr, size: Expr) -> Expr:
    """Return the position of an axis of ``size`` that is nearest to ``place``."""
    return maximum(minimum(place, size - 1), ZERO)


def reflected(value: Expr, low: Expr, high: Expr) -> Expr:
    """Return a float coordinate mirrored at ``low`` and ``high`` until it lies between them."""
    span = high - low
    # A triangle wave, in which the value occurs once: taps read at places that are mirrored in turn.
    width = select(span > 0.0, span + span, const(1, span.dtype))
    turned = intrin("abs", intrin("fmod", intrin("abs", value - low), width) - span)
    mirrored = select(span > 0.0, high - turned, low)
    return select(logical_and(value >= low, value <= high), value, mirrored)


def floor_of(coordinate: Expr) -> Expr:
    """Return the position at or before a float coordinate."""
    return intrin("floor", coordinate).astype(INT64)


def weighted_sum(axes: Sequence[Sequence[Tap]], element: Callable[[tuple[Expr, ...]], Expr]) -> Expr:
    """Return the sum of ``element(places)`` times the weights over all combinations of one tap per axis."""

    def along(axis: int, places: tuple[Expr, ...]) -> Expr:
        if axis == len(axes):
            return element(places)
        terms = [along(axis + 1, (*places, tap.place)) * tap.weight for tap in axes[axis]]
        return sum(terms[1:], terms[0])

    return along(0, ())
