"""Reductions over axes: each is a function of one element, a combination, and a function of the combined value."""

from __future__ import annotations

from collections.abc import Callable

from tondo.ir import (
    BOOL,
    Combiner,
    Const,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    binary,
    const,
    intrin,
    select,
)
from tondo_ops.elementwise.unary import absolute
from tondo_ops.reduction.axes import axes_from
from tondo_ops.support.attributes import refuse
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start, want_bool, want_float, want_numeric, wide

Check = Callable[[OpCall, TensorType], None]
Function = Callable[[Expr], Expr]


def _same(x: Expr) -> Expr:
    return x


def _reduction(
    name: str,
    combiner: Combiner,
    doc: str,
    before: Function = _same,
    after: Function = _same,
    check: Check = want_numeric,
) -> Operator:
    def infer(call: OpCall) -> tuple[TensorType, ...]:
        count(call, 1)
        check(call, call.args[0])
        return (TensorType(axes_from(call).result, call.args[0].dtype),)

    def define(call: OpCall) -> TensorFunction:
        (out,) = infer(call)
        axes = axes_from(call)
        builder, (x,) = start(call, "x")
        exact = combiner in {"sum", "prod"} or before is not _same
        dtype = wide(x.dtype) if exact else x.dtype
        result = axes.reduce(builder, "total", lambda i: before(at(x, i).astype(dtype)), combiner)
        if after is not _same or dtype != out.dtype:
            result = axes.map(builder, "y", result, lambda value: after(value).astype(out.dtype))
        return builder.build(result)

    return Operator(name, infer, define, doc)


def _square(x: Expr) -> Expr:
    return x * x


def _sqrt(x: Expr) -> Expr:
    return intrin("sqrt", x)


def _log(x: Expr) -> Expr:
    return intrin("log", x)


def _infer_mean(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_numeric(call, call.args[0])
    return (TensorType(axes_from(call).result, call.args[0].dtype),)


def divided(total: Expr, size: Expr) -> Expr:
    """Return ``total / size``; integers truncate."""
    if total.dtype.is_integer:
        return binary("truncdiv", total, size.astype(total.dtype))
    return total / (const(size.value, total.dtype) if isinstance(size, Const) else size.astype(total.dtype))


def _define_mean(call: OpCall) -> TensorFunction:
    (out,) = _infer_mean(call)
    axes = axes_from(call)
    builder, (x,) = start(call, "x")
    total = axes.reduce(builder, "total", lambda i: at(x, i).astype(wide(x.dtype)), "sum")
    return builder.build(axes.map(builder, "y", total, lambda value: divided(value, axes.size).astype(out.dtype)))


def _infer_log_sum_exp(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_float(call, call.args[0])
    if call.args[0].rank == 0:
        refuse(call, "needs at least one dimension")
    return (TensorType(axes_from(call).result, call.args[0].dtype),)


def _define_log_sum_exp(call: OpCall) -> TensorFunction:
    """Subtract the maximum first, so that nothing overflows; an infinite maximum is its own result."""
    (out,) = _infer_log_sum_exp(call)
    axes = axes_from(call)
    builder, (x,) = start(call, "x")
    dtype = wide(x.dtype)
    largest = axes.reduce(builder, "largest", lambda i: at(x, i).astype(dtype), "max")
    zero = const(0, dtype)
    shift = axes.map(builder, "shift", largest, lambda v: select(intrin("isinf", v, dtype=BOOL), zero, v))
    total = axes.reduce(
        builder, "total", lambda i: intrin("exp", at(x, i).astype(dtype) - at(shift, axes.of(i))), "sum"
    )
    y = builder.compute("y", axes.result, lambda *i: (intrin("log", at(total, i)) + at(shift, i)).astype(out.dtype))
    return builder.build(y)


OPERATORS: tuple[Operator, ...] = (
    _reduction("reduce_sum", "sum", "sum over axes"),
    _reduction("reduce_prod", "prod", "product over axes"),
    _reduction("reduce_max", "max", "maximum over axes"),
    _reduction("reduce_min", "min", "minimum over axes"),
    _reduction("reduce_l1", "sum", "sum of magnitudes over axes", absolute),
    _reduction("reduce_l2", "sum", "square root of the sum of squares over axes", _square, _sqrt, want_float),
    _reduction("reduce_sum_square", "sum", "sum of squares over axes", _square),
    _reduction("reduce_log_sum", "sum", "logarithm of the sum over axes", after=_log, check=want_float),
    _reduction("reduce_any", "or", "whether any is true over axes", check=want_bool),
    _reduction("reduce_all", "and", "whether all are true over axes", check=want_bool),
    Operator("reduce_mean", _infer_mean, _define_mean, "mean over axes"),
    Operator(
        "reduce_log_sum_exp", _infer_log_sum_exp, _define_log_sum_exp, "logarithm of the sum of exponentials over axes"
    ),
)
