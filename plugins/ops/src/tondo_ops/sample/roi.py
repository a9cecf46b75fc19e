"""Pooling over regions of interest: boxes with coordinates that are known at run time.

The size of a region decides how many elements take part, so each element of the result is a small program of loops.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import (
    INT64,
    Buffer,
    Const,
    DType,
    Expr,
    For,
    If,
    OpCall,
    Operator,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    TensorType,
    Var,
    const,
    dims,
    intrin,
    maximum,
    minimum,
    select,
    whole,
)
from tondo_ops.sample.taps import floor_of, real
from tondo_ops.support.attributes import choice, flag, integer, number, refuse
from tondo_ops.support.dims import ZERO
from tondo_ops.support.indices import at
from tondo_ops.support.lets import Lets
from tondo_ops.support.opaque import Nest, function_of
from tondo_ops.support.typing import agree, count, one_dtype, start, want_elements, want_float, want_integer, want_rank

_MODES = ("avg", "max")
_CORNERS = 4


def _infer_align(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3)
    x, rois, batches = call.args
    want_float(call, x)
    one_dtype(call, (x, rois))
    want_rank(call, x, 4)
    want_rank(call, rois, 2)
    want_rank(call, batches, 1)
    want_integer(call, batches)
    agree(call, rois.dims[0], batches.dims[0], "numbers of boxes and batch indices")
    if rois.dims[1] != Const(_CORNERS):
        refuse(call, "boxes must have four coordinates")
    choice(call, "mode", _MODES, "avg")
    height, width = integer(call, "height", 1), integer(call, "width", 1)
    if min(height, width) < 1 or integer(call, "samples", 0) < 0:
        refuse(call, "sizes must be positive")
    shape = (rois.dims[0], x.dims[1], *dims((height, width)))
    want_elements(call, x.dims, shape)
    return (TensorType(shape, x.dtype),)


def _corners(
    outer: Lets, axis: str, place: Expr, size: Expr, kind: DType
) -> tuple[Expr, tuple[tuple[Expr, Expr], tuple[Expr, Expr]]]:
    """Return whether ``place`` counts, and the positions around it with their weights."""
    length = real(size, kind)
    counts = (place >= const(-1, kind)) & (place <= length)
    inside = maximum(place, const(0, kind))
    low = outer.let(minimum(floor_of(inside), size - 1), f"{axis}_low")
    high = outer.let(minimum(low + 1, size - 1), f"{axis}_high")
    behind = select(low >= size - 1, const(0, kind), inside - low.astype(kind))
    fraction = outer.let(behind, f"{axis}_part")
    return counts, ((low, 1.0 - fraction), (high, fraction))


def _bins(outer: Lets, call: OpCall, rois: Buffer, box: Expr, axis: int, parts: int) -> tuple[Expr, Expr, Expr]:
    """Return begin, size of a bin, and number of samples per bin along an axis (0: x, 1: y) of a box."""
    kind, name = rois.dtype, "xy"[axis]
    scale = const(number(call, "scale", 1.0), kind)
    shift = const(0.5 if flag(call, "half_pixel", default=True) else 0.0, kind)
    begin = outer.let(at(rois, (box, const(axis))) * scale - shift, f"{name}_begin")
    length = at(rois, (box, const(axis + 2))) * scale - shift - begin
    if not flag(call, "half_pixel", default=True):
        length = maximum(length, const(1, kind))
    step = outer.let(length / float(parts), f"{name}_step")
    given = integer(call, "samples", 0)
    samples = const(given) if given else maximum(intrin("ceil", step).astype(INT64), ZERO)
    return begin, step, outer.let(samples, f"{name}_samples")


def _define_align(call: OpCall) -> TensorFunction:
    (out,) = _infer_align(call)
    _, (x, rois, batches) = start(call, "x", "rois", "batches")
    y = Buffer("y", out.dims, out.dtype)
    kind, average = out.dtype, choice(call, "mode", _MODES, "avg") == "avg"
    block = Nest("pool", out.dims)
    box, channel, row, column = block.index
    outer, inner = Lets(), Lets()
    steps = [Var("step_x"), Var("step_y")]
    sampled: list[tuple[Expr, tuple[tuple[Expr, Expr], tuple[Expr, Expr]]]] = []
    extents: list[Expr] = []
    for axis, (place, size) in enumerate(((column, x.shape[3]), (row, x.shape[2]))):
        parts = integer(call, ("width", "height")[axis], 1)
        begin, step, samples = _bins(outer, call, rois, box, axis, parts)
        offset = (steps[axis].astype(kind) + 0.5) * step / samples.astype(kind)
        middle = inner.let(begin + place.astype(kind) * step + offset, "xy"[axis] + "_at")
        sampled.append(_corners(inner, "xy"[axis], middle, size, kind))
        extents.append(samples)
    batch = outer.let(maximum(minimum(at(batches, (box,)).astype(INT64), x.shape[0] - 1), ZERO), "batch")
    (counts_x, across), (counts_y, down) = sampled
    terms = [
        at(x, (batch, channel, place_y, place_x)) * (weight_y * weight_x)
        for place_y, weight_y in down
        for place_x, weight_x in across
    ]
    zero = const(0, kind)
    index = block.index
    if average:
        update = Store(y, index, at(y, index) + select(counts_x & counts_y, sum(terms[1:], terms[0]), zero))
    else:
        best = select(counts_x & counts_y, _largest(terms), zero)
        first = steps[0].eq(0) & steps[1].eq(0)
        update = Store(y, index, select(first, best, maximum(at(y, index), best)))
    body: Stmt = inner.around(update)
    for step, extent in zip(steps, extents, strict=True):
        body = For(step, Const(0), extent, body)
    statements: list[Stmt] = [Store(y, index, zero), body]
    if average:
        number_of = maximum(extents[0] * extents[1], const(1)).astype(kind)
        statements.append(Store(y, index, at(y, index) / number_of))
    stmt = block.block(
        outer.around(Seq(tuple(statements))), (whole(x), whole(rois), whole(batches)), (block.around(y, frozenset()),)
    )
    return function_of(call.op, (x, rois, batches), (y,), stmt)


def _largest(terms: Sequence[Expr]) -> Expr:
    best = terms[0]
    for term in terms[1:]:
        best = maximum(best, term)
    return best


def _infer_max(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    x, rois = call.args
    want_float(call, x)
    one_dtype(call)
    want_rank(call, x, 4)
    want_rank(call, rois, 2)
    if rois.dims[1] != Const(_CORNERS + 1):
        refuse(call, "boxes must have a batch index and four coordinates")
    height, width = integer(call, "height"), integer(call, "width")
    shape = (rois.dims[0], x.dims[1], *dims((height, width)))
    want_elements(call, x.dims, shape)
    return (TensorType(shape, x.dtype),)


def _define_max(call: OpCall) -> TensorFunction:
    """Return the pool over whole elements: coordinates are rounded, empty bins are 0."""
    (out,) = _infer_max(call)
    _, (x, rois) = start(call, "x", "rois")
    y = Buffer("y", out.dims, out.dtype)
    kind, scale = out.dtype, number(call, "scale", 1.0)
    block = Nest("pool", out.dims)
    box, channel, *bins = block.index
    outer = Lets()
    batch = outer.let(maximum(minimum(at(rois, (box, const(0))).astype(INT64), x.shape[0] - 1), ZERO), "batch")
    spans: list[tuple[Expr, Expr]] = []
    for axis, (position, size, parts) in enumerate(
        ((bins[0], x.shape[2], integer(call, "height")), (bins[1], x.shape[3], integer(call, "width")))
    ):
        name = "yx"[axis]
        low, high = (_rounded(at(rois, (box, const(corner))) * const(scale, kind)) for corner in (2 - axis, 4 - axis))
        begin = outer.let(low, f"{name}_begin")
        length = outer.let(maximum(high - begin + 1, const(1)), f"{name}_length")
        first = floor_of(position.astype(kind) * length.astype(kind) / float(parts)) + begin
        last = intrin("ceil", (position + 1).astype(kind) * length.astype(kind) / float(parts)).astype(INT64) + begin
        from_ = outer.let(minimum(maximum(first, ZERO), size), f"{name}_from")
        spans.append((from_, outer.let(maximum(minimum(maximum(last, ZERO), size) - from_, ZERO), f"{name}_count")))
    (top, rows), (left, columns) = spans
    step_y, step_x = Var("step_y"), Var("step_x")
    value = at(x, (batch, channel, top + step_y, left + step_x))
    index = block.index
    first_one = step_y.eq(0) & step_x.eq(0)
    update = Store(y, index, select(first_one, value, maximum(at(y, index), value)))
    loops = For(step_y, Const(0), rows, For(step_x, Const(0), columns, update))
    guarded = If((rows > 0) & (columns > 0), loops)
    body = outer.around(Seq((Store(y, index, const(0, kind)), guarded)))
    stmt = block.block(body, (whole(x), whole(rois)), (block.around(y, frozenset()),))
    return function_of(call.op, (x, rois), (y,), stmt)


def _rounded(value: Expr) -> Expr:
    """Return the nearest integer, halves away from zero."""
    away = select(value < const(0, value.dtype), value - 0.5, value + 0.5)
    return intrin("trunc", away).astype(INT64)


OPERATORS: tuple[Operator, ...] = (
    Operator("roi_align", _infer_align, _define_align, "bins of boxes, sampled between the elements"),
    Operator("roi_max_pool", _infer_max, _define_max, "largest elements of the bins of boxes"),
)
