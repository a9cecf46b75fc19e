"""Softmax and its relatives along one axis, shifted by the maximum so that nothing overflows.

Softmax has four stages: maximum, exponentials, their sum, quotient.
"""

from __future__ import annotations

from tondo.ir import Buffer, Compute, DType, Expr, OpCall, Operator, TensorFunction, TensorType, const, intrin, select
from tondo_ops.reduction.axes import Axes
from tondo_ops.support.attributes import axis_of, refuse
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start, want_float, wide


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_float(call, call.args[0])
    if call.args[0].rank == 0:
        refuse(call, "needs at least one dimension")
    axis_of(call, call.args[0].rank, default=-1)
    return call.args


def _axes(call: OpCall) -> Axes:
    (x,) = call.args
    return Axes(x.dims, (axis_of(call, x.rank, default=-1),), keep=False)


def _largest(builder: Compute, x: Buffer, axes: Axes, dtype: DType) -> Buffer:
    return axes.reduce(builder, "largest", lambda i: at(x, i).astype(dtype), "max")


def _define_softmax(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    axes = _axes(call)
    builder, (x,) = start(call, "x")
    dtype = wide(x.dtype)
    largest = _largest(builder, x, axes, dtype)
    power = builder.compute(
        "power", out.dims, lambda *i: intrin("exp", at(x, i).astype(dtype) - at(largest, axes.of(i)))
    )
    total = axes.reduce(builder, "total", lambda i: at(power, i), "sum")
    y = builder.compute("y", out.dims, lambda *i: (at(power, i) / at(total, axes.of(i))).astype(out.dtype))
    return builder.build(y)


def _define_log_softmax(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    axes = _axes(call)
    builder, (x,) = start(call, "x")
    dtype = wide(x.dtype)
    largest = _largest(builder, x, axes, dtype)

    def shifted(index: tuple[Expr, ...]) -> Expr:
        return at(x, index).astype(dtype) - at(largest, axes.of(index))

    total = axes.reduce(builder, "total", lambda i: intrin("exp", shifted(i)), "sum")
    logarithm = axes.map(builder, "logarithm", total, lambda value: intrin("log", value))
    y = builder.compute("y", out.dims, lambda *i: (shifted(i) - at(logarithm, axes.of(i))).astype(out.dtype))
    return builder.build(y)


def _define_hardmax(call: OpCall) -> TensorFunction:
    """One at the first place of the maximum, zero elsewhere."""
    (out,) = _infer(call)
    axes = _axes(call)
    (axis,) = axes.reduced
    builder, (x,) = start(call, "x")
    largest = _largest(builder, x, axes, x.dtype)
    last = axes.shape[axis] - 1
    place = axes.reduce(builder, "place", lambda i: select(at(x, i).eq(at(largest, axes.of(i))), i[axis], last), "min")
    one, zero = const(1, out.dtype), const(0, out.dtype)
    return builder.build(
        builder.compute("y", out.dims, lambda *i: select(i[axis].eq(at(place, axes.of(i))), one, zero))
    )


OPERATORS: tuple[Operator, ...] = (
    Operator("softmax", _infer, _define_softmax, "exponentials along an axis divided by their sum"),
    Operator("log_softmax", _infer, _define_log_softmax, "logarithm of softmax"),
    Operator("hardmax", _infer, _define_hardmax, "1 at the first maximum along an axis, 0 elsewhere"),
)
