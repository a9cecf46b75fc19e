"""Place of the extreme element along an axis: one reduction finds the value, a second its first (or last) place."""

from __future__ import annotations

from tondo.ir import INT64, Combiner, Expr, OpCall, Operator, TensorFunction, TensorType, const, is_const, select
from tondo_ops.reduction.axes import Axes
from tondo_ops.support.attributes import axis_of, flag, refuse
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import count, start, want_numeric


def _axes(call: OpCall) -> Axes:
    (x,) = call.args
    return Axes(x.dims, (axis_of(call, x.rank, default=0),), flag(call, "keepdims", default=True))


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_numeric(call, call.args[0])
    if call.args[0].rank == 0:
        refuse(call, "needs at least one dimension")
    axes = _axes(call)
    if is_const(axes.size, 0):
        refuse(call, "the axis is empty")
    return (TensorType(axes.result, INT64),)


def _search(name: str, combiner: Combiner, doc: str) -> Operator:
    def define(call: OpCall) -> TensorFunction:
        (out,) = _infer(call)
        axes = _axes(call)
        (axis,) = axes.reduced
        last = flag(call, "select_last", default=False)
        builder, (x,) = start(call, "x")
        best = axes.reduce(builder, "best", lambda i: at(x, i), combiner)
        rest: Expr = const(0) if last else axes.shape[axis] - 1  # the place if nothing equals the extreme (only NaN)

        def place(*index: Expr) -> Expr:
            own, full = axes.split(index)
            return select(at(x, full).eq(at(best, own)), full[axis], rest)

        y = reduction(builder, "y", out.dims, axes.extents, place, "max" if last else "min", init=rest)
        return builder.build(y)

    return Operator(name, _infer, define, doc)


OPERATORS: tuple[Operator, ...] = (
    _search("argmax", "max", "place of the largest element along an axis"),
    _search("argmin", "min", "place of the smallest element along an axis"),
)
