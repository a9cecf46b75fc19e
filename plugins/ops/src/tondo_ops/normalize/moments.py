"""Mean and variance over axes, in two passes over the data (the sum of squares alone would cancel)."""

from __future__ import annotations

from collections.abc import Callable

from tondo.ir import Buffer, Compute, DType, Expr, intrin
from tondo_ops.reduction.axes import Axes
from tondo_ops.reduction.reduce import divided
from tondo_ops.support.indices import at

Element = Callable[[tuple[Expr, ...]], Expr]


def mean_stage(builder: Compute, axes: Axes, element: Element) -> Buffer:
    """Return the mean over ``axes`` of ``element(index)``: a reduction and a quotient."""
    total = axes.reduce(builder, "total", element, "sum")
    return axes.map(builder, "mean", total, lambda value: divided(value, axes.size))


def inverse_deviation(builder: Compute, axes: Axes, element: Element, epsilon: float) -> Buffer:
    """Return ``1 / sqrt(mean(element ** 2) + epsilon)`` over ``axes``."""

    def square(index: tuple[Expr, ...]) -> Expr:
        value = element(index)
        return value * value

    total = axes.reduce(builder, "squares", square, "sum")
    return axes.map(builder, "inverse", total, lambda value: intrin("rsqrt", divided(value, axes.size) + epsilon))


def load(buffer: Buffer, dtype: DType) -> Element:
    """Return the function that loads ``buffer`` as ``dtype``."""
    return lambda index: at(buffer, index).astype(dtype)


def centred(source: Element, mean: Buffer, axes: Axes) -> Element:
    """Return the function ``source(index) - mean``."""
    return lambda index: source(index) - at(mean, axes.of(index))
