"""Quantisation to integers and back, per tensor or per channel."""

from __future__ import annotations

from tondo.ir import (
    FLOAT32,
    INT32,
    Buffer,
    DType,
    Expr,
    Load,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    const,
    intrin,
    maximum,
    minimum,
)
from tondo_ops.support.attributes import axis_of, element_type, refuse
from tondo_ops.support.indices import at
from tondo_ops.support.typing import agree, count, start, want_float, want_integer


def _check_parameters(call: OpCall) -> None:
    """Refuse scale and zero point that do not fit the channels of ``x``."""
    x, parameters = call.args[0], call.args[1:]
    want_float(call, call.args[1])
    if len({parameter.rank for parameter in parameters}) != 1:
        refuse(call, "scale and zero point have different ranks")
    for parameter in parameters:
        if parameter.rank > 1:
            refuse(call, "scale and zero point must have rank 0 or 1")
        if parameter.rank == 1:
            agree(call, parameter.dims[0], x.dims[axis_of(call, x.rank, default=1)], "length of the scale and channels")


def _check_zero(call: OpCall, dtype: DType) -> None:
    """Refuse a zero point that is not of the quantised type."""
    for zero in call.args[2:]:
        if zero.dtype != dtype:
            refuse(call, f"the zero point has dtype {zero.dtype}, the quantised values {dtype}")


def _infer_quantize(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2, 3)
    want_float(call, call.args[0])
    _check_parameters(call)
    dtype = element_type(call, "dtype")
    if not dtype.is_integer or dtype.bits > INT32.bits:
        refuse(call, f"cannot quantise to {dtype}")
    _check_zero(call, dtype)
    return (TensorType(call.args[0].dims, dtype),)


def _infer_dequantize(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2, 3)
    want_integer(call, call.args[0])
    _check_parameters(call)
    _check_zero(call, call.args[0].dtype)
    return (TensorType(call.args[0].dims, call.args[1].dtype),)


def _parameter(buffer: Buffer, axis: int, index: tuple[Expr, ...]) -> Load:
    return at(buffer, (index[axis],) if buffer.rank else ())


def _limits(dtype: DType) -> tuple[int, int]:
    """Return the range of ``dtype`` as far as float32 holds it exactly."""
    if dtype.kind == "uint":
        return 0, (1 << dtype.bits) - 1
    return -(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - (128 if dtype.bits == INT32.bits else 1)


def _axis(call: OpCall) -> int:
    return axis_of(call, call.args[0].rank, default=1) if call.args[1].rank else 0


def _define_quantize(call: OpCall) -> TensorFunction:
    (out,) = _infer_quantize(call)
    axis = _axis(call)
    low, high = _limits(out.dtype)
    builder, (x, scale, *zero) = start(call, "x", "scale", "zero")

    def value(*i: Expr) -> Expr:
        steps = intrin("round", at(x, i).astype(FLOAT32) / _parameter(scale, axis, i).astype(FLOAT32))
        shifted = steps + _parameter(zero[0], axis, i).astype(FLOAT32) if zero else steps
        return minimum(maximum(shifted, const(low, FLOAT32)), const(high, FLOAT32)).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


def _define_dequantize(call: OpCall) -> TensorFunction:
    (out,) = _infer_dequantize(call)
    axis = _axis(call)
    builder, (x, scale, *zero) = start(call, "x", "scale", "zero")

    def value(*i: Expr) -> Expr:
        steps = at(x, i).astype(INT32)
        shifted = steps - _parameter(zero[0], axis, i).astype(INT32) if zero else steps
        return (shifted.astype(FLOAT32) * _parameter(scale, axis, i).astype(FLOAT32)).astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("quantize_linear", _infer_quantize, _define_quantize, "x / scale rounded to even, plus zero, saturated"),
    Operator("dequantize_linear", _infer_dequantize, _define_dequantize, "(x - zero) * scale"),
)
