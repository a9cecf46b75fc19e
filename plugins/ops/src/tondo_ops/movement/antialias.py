"""Resampling that smooths: where an axis shrinks, the filter is stretched over all elements that a result covers.

    weight[i, t] = filter((t - fraction[i]) * min(scale, 1)), normalised over t
    y[.., i, ..] = sum over t of x[.., lower[i] + t, ..] * weight[i, t]

``taps`` says per axis over how many elements the stretched filter reaches.
"""

from __future__ import annotations

from tondo.ir import FLOAT32, INT64, Buffer, Compute, Expr, OpCall, const, intrin, maximum, minimum, select
from tondo_ops.movement.resample import Axis, coordinate, inside_of, scale_of
from tondo_ops.support.attributes import choice, extents, flag, number
from tondo_ops.support.indices import at, replaced


def _filter(call: OpCall, distance: Expr) -> Expr:
    """Return the weight of an element at ``distance`` from the centre of the filter."""
    x = intrin("abs", distance)
    zero = const(0, FLOAT32)
    if choice(call, "mode", ("nearest", "linear", "cubic"), "nearest") == "linear":
        return maximum(1.0 - x, zero)
    a = number(call, "cubic_coeff", -0.75)
    near = ((a + 2) * x - (a + 3)) * x * x + 1.0
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return select(x <= 1.0, near, select(x < 2.0, far, zero))


def antialiased(call: OpCall, builder: Compute, x: Buffer, item: Axis) -> Buffer:
    """Return ``x`` resampled along one axis."""
    axis, size = item.axis, item.size
    taps = extents(call, "taps")[axis]
    before = taps // 2 - 1
    lower = builder.compute(
        f"lower{axis}", (item.result,), lambda *i: intrin("floor", coordinate(call, item, i[0])).astype(INT64)
    )
    fraction = builder.compute(
        f"fraction{axis}", (item.result,), lambda *i: coordinate(call, item, i[0]) - at(lower, i).astype(FLOAT32)
    )
    shrink = builder.compute(f"shrink{axis}", (), lambda: minimum(scale_of(item), const(1, FLOAT32)))
    excluded = flag(call, "exclude_outside", default=False)

    def weight(i: Expr, t: Expr) -> Expr:
        offset = t - before
        value = _filter(call, (offset.astype(FLOAT32) - at(fraction, (i,))) * at(shrink, ()))
        place = at(lower, (i,)) + offset
        inside = (place >= 0) & (place < size)
        return select(inside, value, const(0, FLOAT32)) if excluded else value

    weights = builder.compute(f"weights{axis}", (item.result, taps), weight)
    total = builder.reduce(f"total{axis}", (item.result,), (taps,), lambda *it: at(weights, it))

    def value(*index: Expr) -> Expr:
        place, t = index[axis], index[-1]
        source = inside_of(at(lower, (place,)) + (t - before), size)
        share = at(weights, (place, t)) / at(total, (place,))
        return at(x, replaced(index[:-1], axis, source)) * share.astype(x.dtype)

    return builder.reduce(f"along{axis}", replaced(x.shape, axis, item.result), (taps,), value)
