"""Division by the p-norm along an axis."""

from __future__ import annotations

from tondo.ir import OpCall, Operator, TensorFunction, TensorType, const, select
from tondo_ops.elementwise.power import power
from tondo_ops.elementwise.unary import absolute
from tondo_ops.reduction.axes import Axes
from tondo_ops.support.attributes import axis_of, number, refuse
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start, want_float, wide
from tondo_ops.window.pool import root


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_float(call, call.args[0])
    if call.args[0].rank == 0:
        refuse(call, "needs at least one dimension")
    axis_of(call, call.args[0].rank, default=-1)
    if number(call, "p", 2) < 1:
        refuse(call, "attribute 'p' must be at least 1")
    return call.args


def _define(call: OpCall) -> TensorFunction:
    """A zero norm leaves zeros."""
    (out,) = _infer(call)
    p = number(call, "p", 2)
    builder, (x,) = start(call, "x")
    dtype = wide(x.dtype)
    axes = Axes(x.shape, (axis_of(call, x.rank, default=-1),), keep=False)
    total = axes.reduce(builder, "total", lambda i: power(absolute(at(x, i).astype(dtype)), p), "sum")
    one = const(1, dtype)
    norm = axes.map(builder, "norm", total, lambda value: select(value > 0, root(value, p), one))
    y = builder.compute("y", out.dims, lambda *i: (at(x, i).astype(dtype) / at(norm, axes.of(i))).astype(out.dtype))
    return builder.build(y)


OPERATORS: tuple[Operator, ...] = (
    Operator("lp_normalization", _infer, _define, "x divided by its p-norm along an axis"),
)
