"""Tensors of known contents: ranges, one value, the identity matrix."""

from __future__ import annotations

from tondo.ir import FLOAT32, FLOAT64, INT64, DType, Expr, OpCall, Operator, TensorFunction, TensorType, const, select
from tondo_ops.support.attributes import Number, dim, element_type, extents, integer, number_or_expr, refuse
from tondo_ops.support.typing import count, start


def _scalar(value: Number | Expr, dtype: DType) -> Expr:
    return value.astype(dtype) if isinstance(value, Expr) else const(value, dtype)


def _infer_range(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 0)
    number_or_expr(call, "start", 0)
    number_or_expr(call, "step", 1)
    return (TensorType((dim(call, "count"),), element_type(call, "dtype", INT64)),)


def _define_range(call: OpCall) -> TensorFunction:
    """Integers are computed in int64, floats in float64, then converted."""
    (out,) = _infer_range(call)
    builder, _ = start(call)
    work = FLOAT64 if out.dtype.is_float else INT64
    first, step = _scalar(number_or_expr(call, "start", 0), work), _scalar(number_or_expr(call, "step", 1), work)
    y = builder.compute("y", out.dims, lambda *i: (first + i[0].astype(work) * step).astype(out.dtype))
    return builder.build(y)


def _infer_fill(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 0)
    number_or_expr(call, "value")
    return (TensorType(extents(call, "shape"), element_type(call, "dtype")),)


def _define_fill(call: OpCall) -> TensorFunction:
    (out,) = _infer_fill(call)
    builder, _ = start(call)
    value = _scalar(number_or_expr(call, "value"), out.dtype)
    return builder.build(builder.compute("y", out.dims, lambda *_: value))


def _infer_eye(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 0)
    shape = extents(call, "shape")
    if len(shape) != 2:
        refuse(call, "attribute 'shape' must hold two sizes")
    integer(call, "k", 0)
    return (TensorType(shape, element_type(call, "dtype", FLOAT32)),)


def _define_eye(call: OpCall) -> TensorFunction:
    (out,) = _infer_eye(call)
    k = integer(call, "k", 0)
    builder, _ = start(call)
    one, zero = const(1, out.dtype), const(0, out.dtype)
    y = builder.compute("y", out.dims, lambda *i: select(i[1].eq(i[0] + k), one, zero))
    return builder.build(y)


OPERATORS: tuple[Operator, ...] = (
    Operator("range", _infer_range, _define_range, "start, start + step, ..."),
    Operator("fill", _infer_fill, _define_fill, "one value everywhere"),
    Operator("eye", _infer_eye, _define_eye, "1 on a diagonal, 0 elsewhere"),
)
