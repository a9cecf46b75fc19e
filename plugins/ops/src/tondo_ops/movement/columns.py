"""Images put together from the columns of their windows: elements of overlapping windows are added.

y[n, c, p...] = sum over k of x[n, c * K + k, l] where p = l * stride - pad + k * dilation
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Buffer, Const, Expr, OpCall, Operator, TensorFunction, TensorType, all_of, const, floordiv, select
from tondo_ops.support.attributes import extents, ints, refuse
from tondo_ops.support.dims import ZERO, product, tidy
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import count, start, want_numeric, want_rank


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    want_numeric(call, x)
    want_rank(call, x, 3)
    image, kernel = extents(call, "image"), extents(call, "kernel")
    rank = len(image)
    if len(kernel) != rank:
        refuse(call, "attributes 'image' and 'kernel' have different lengths")
    for name, size in (("strides", rank), ("dilations", rank), ("pads", 2 * rank)):
        if len(ints(call, name)) != size:
            refuse(call, f"attribute '{name}' needs {size} items")
    channels = tidy(floordiv(x.dims[1], product(kernel)))
    return (TensorType((x.dims[0], channels, *image), x.dtype),)


def _windows(call: OpCall, axis: int) -> Expr:
    """Return how many windows lie along ``axis``."""
    image, kernel, rank = extents(call, "image"), extents(call, "kernel"), len(extents(call, "image"))
    pads, stride = ints(call, "pads"), ints(call, "strides")[axis]
    reach = (kernel[axis] - 1) * ints(call, "dilations")[axis] + 1
    return tidy(floordiv(image[axis] + (pads[axis] + pads[rank + axis]) - reach, Const(stride)) + 1)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x,) = start(call, "x")
    kernel, rank = extents(call, "kernel"), len(extents(call, "kernel"))
    counts = [_windows(call, axis) for axis in range(rank)]

    def value(*index: Expr) -> Expr:
        return _element(call, x, index[:2], index[2 : 2 + rank], index[2 + rank :], counts)

    return builder.build(reduction(builder, "y", out.dims, kernel, value))


def _element(
    call: OpCall,
    x: Buffer,
    outer: Sequence[Expr],
    place: Sequence[Expr],
    offset: Sequence[Expr],
    counts: Sequence[Expr],
) -> Expr:
    """Return what the element ``offset`` of a window adds at ``place``: nothing if no window lies so."""
    kernel = extents(call, "kernel")
    strides, dilations, pads = (ints(call, name) for name in ("strides", "dilations", "pads"))
    row, column = outer[1], ZERO
    tests: list[Expr] = []
    for axis, size in enumerate(kernel):
        begin = place[axis] + pads[axis] - offset[axis] * dilations[axis]
        window = floordiv(begin, Const(strides[axis])) if strides[axis] > 1 else begin
        if strides[axis] > 1:
            tests.append((window * strides[axis]).eq(begin))
        tests += [window >= ZERO, window < counts[axis]]
        row, column = row * size + offset[axis], column * counts[axis] + window
    inside = all_of(tests)
    element = at(x, (outer[0], row, column))
    return element if inside is None else select(inside, element, const(0, x.dtype))


OPERATORS: tuple[Operator, ...] = (Operator("col2im", _infer, _define, "images from the columns of their windows"),)
