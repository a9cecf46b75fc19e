"""Normalisation over space and groups of channels: instance and group normalisation, mean-variance normalisation."""

from __future__ import annotations

from tondo.ir import Const, Expr, OpCall, Operator, TensorFunction, TensorType, intrin
from tondo_ops.normalize.batch import check_channels
from tondo_ops.normalize.moments import centred, inverse_deviation, load, mean_stage
from tondo_ops.reduction.axes import Axes
from tondo_ops.reduction.reduce import divided
from tondo_ops.support.attributes import axes_of, integer, ints, number, refuse
from tondo_ops.support.dims import tidy
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start, want_float, wide


def _infer_instance(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3)
    check_channels(call)
    return (call.args[0],)


def _define_instance(call: OpCall) -> TensorFunction:
    (out,) = _infer_instance(call)
    builder, (x, scale, bias) = start(call, "x", "scale", "bias")
    axes = Axes(x.shape, tuple(range(2, x.rank)), keep=False)
    dtype = wide(x.dtype)
    source = load(x, dtype)
    mean = mean_stage(builder, axes, source)
    element = centred(source, mean, axes)
    inverse = inverse_deviation(builder, axes, element, number(call, "epsilon", 1e-5))

    def value(*i: Expr) -> Expr:
        scaled = element(i) * at(inverse, axes.of(i)) * at(scale, (i[1],)).astype(dtype)
        return (scaled + at(bias, (i[1],)).astype(dtype)).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


def _infer_group(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3)
    check_channels(call)
    groups, channels = integer(call, "groups"), call.args[0].dims[1]
    if groups < 1 or (isinstance(channels, Const) and channels.value % groups):
        refuse(call, f"{groups} groups do not divide the channels")
    return (call.args[0],)


def _define_group(call: OpCall) -> TensorFunction:
    """The statistics run over ``[N, G, C/G, spatial...]``, with affine indices into ``x``."""
    (out,) = _infer_group(call)
    groups = integer(call, "groups")
    builder, (x, scale, bias) = start(call, "x", "scale", "bias")
    width = tidy(x.shape[1] // groups)
    axes = Axes((x.shape[0], Const(groups), width, *x.shape[2:]), tuple(range(2, x.rank + 1)), keep=False)
    dtype = wide(x.dtype)

    def source(i: tuple[Expr, ...]) -> Expr:
        return at(x, (i[0], i[1] * width + i[2], *i[3:])).astype(dtype)

    mean = mean_stage(builder, axes, source)
    inverse = inverse_deviation(builder, axes, centred(source, mean, axes), number(call, "epsilon", 1e-5))

    def value(*i: Expr) -> Expr:
        group = (i[0], i[1] // width)
        scaled = (at(x, i).astype(dtype) - at(mean, group)) * at(inverse, group) * at(scale, (i[1],)).astype(dtype)
        return (scaled + at(bias, (i[1],)).astype(dtype)).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


def _mvn_axes(call: OpCall) -> Axes:
    (x,) = call.args
    return Axes(x.dims, axes_of(call, ints(call, "axes", (0, 2, 3)), x.rank), keep=False)


def _infer_mvn(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_float(call, call.args[0])
    _mvn_axes(call)
    return call.args


def _define_mvn(call: OpCall) -> TensorFunction:
    """Divide by ``deviation + epsilon``."""
    (out,) = _infer_mvn(call)
    axes = _mvn_axes(call)
    epsilon = number(call, "epsilon", 1e-9)
    builder, (x,) = start(call, "x")
    source = load(x, wide(x.dtype))
    mean = mean_stage(builder, axes, source)
    element = centred(source, mean, axes)
    squares = axes.reduce(builder, "squares", lambda i: element(i) * element(i), "sum")
    deviation = axes.map(builder, "deviation", squares, lambda v: intrin("sqrt", divided(v, axes.size)) + epsilon)
    y = builder.compute("y", out.dims, lambda *i: (element(i) / at(deviation, axes.of(i))).astype(out.dtype))
    return builder.build(y)


OPERATORS: tuple[Operator, ...] = (
    Operator("instance_norm", _infer_instance, _define_instance, "normalisation over space, per sample and channel"),
    Operator("group_norm", _infer_group, _define_group, "normalisation over space and groups of channels, per sample"),
    Operator("mean_variance_normalization", _infer_mvn, _define_mvn, "normalisation over axes by mean and deviation"),
)
