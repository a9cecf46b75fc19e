"""Normalisation over the last axes: layer normalisation and its variant without the mean."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Buffer, Compute, Expr, OpCall, Operator, TensorFunction, TensorType
from tondo_ops.normalize.moments import Element, centred, inverse_deviation, load, mean_stage
from tondo_ops.reduction.axes import Axes
from tondo_ops.support.attributes import axis_of, number, refuse
from tondo_ops.support.indices import at, broadcast_at
from tondo_ops.support.typing import broadcast_to, count, start, want_float, wide


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1, 3 if call.op == "layer_norm" else 2)
    x = call.args[0]
    for arg in call.args:
        want_float(call, arg)
    if x.rank == 0:
        refuse(call, "needs at least one dimension")
    axis_of(call, x.rank, default=-1)
    for arg in call.args[1:]:
        broadcast_to(call, arg.dims, x.dims, "scale and bias must broadcast to the shape of the input")
    return (x,)


def _axes(call: OpCall) -> Axes:
    x = call.args[0]
    return Axes(x.dims, tuple(range(axis_of(call, x.rank, default=-1), x.rank)), keep=False)


def _result(
    builder: Compute, out: TensorType, element: Element, inverse: Buffer, axes: Axes, affine: Sequence[Buffer]
) -> Buffer:
    """The stage ``element * inverse [* scale [+ bias]]``."""

    def value(*i: Expr) -> Expr:
        result = element(i) * at(inverse, axes.of(i))
        if affine:
            result = result * broadcast_at(affine[0], i, out.dims).astype(result.dtype)
        if len(affine) > 1:
            result = result + broadcast_at(affine[1], i, out.dims).astype(result.dtype)
        return result.astype(out.dtype)

    return builder.compute("y", out.dims, value)


def _define_layer(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    axes = _axes(call)
    builder, (x, *affine) = start(call, "x", "scale", "bias")
    source = load(x, wide(x.dtype))
    mean = mean_stage(builder, axes, source)
    element = centred(source, mean, axes)
    inverse = inverse_deviation(builder, axes, element, number(call, "epsilon", 1e-5))
    return builder.build(_result(builder, out, element, inverse, axes, affine))


def _define_rms(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    axes = _axes(call)
    builder, (x, *affine) = start(call, "x", "scale")
    source = load(x, wide(x.dtype))
    inverse = inverse_deviation(builder, axes, source, number(call, "epsilon", 1e-5))
    return builder.build(_result(builder, out, source, inverse, axes, affine))


OPERATORS: tuple[Operator, ...] = (
    Operator("layer_norm", _infer, _define_layer, "normalisation over the last axes by mean and variance"),
    Operator("rms_norm", _infer, _define_rms, "normalisation over the last axes by the root of the mean square"),
)
