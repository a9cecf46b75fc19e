"""Operators from scalar functions: the type rule and the definition follow from the function of one element."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tondo.ir import BOOL, DType, Expr, OpCall, Operator, TensorFunction, TensorType
from tondo_ops.support.indices import at, broadcast_at
from tondo_ops.support.typing import broadcast, count, one_dtype, start, wide

Check = Callable[[OpCall, TensorType], None]
Element = Callable[[OpCall, Expr], Expr]
Elements = Callable[[OpCall, Sequence[Expr]], Expr]
Result = Callable[[OpCall], DType]


def dtype_of_first(call: OpCall) -> DType:
    """Return the dtype of the first argument."""
    return call.args[0].dtype


def boolean(call: OpCall) -> DType:
    """Return bool."""
    return BOOL


def in_float32(function: Element) -> Element:
    """Return ``function`` evaluated in float32 for narrower floats."""

    def element(call: OpCall, x: Expr) -> Expr:
        return function(call, x.astype(wide(x.dtype))).astype(x.dtype)

    return element


def unary(name: str, element: Element, check: Check, doc: str, result: Result = dtype_of_first) -> Operator:
    """Return the operator ``y[i] = element(x[i])``; its function may read attributes of the call."""

    def infer(call: OpCall) -> tuple[TensorType, ...]:
        count(call, 1)
        check(call, call.args[0])
        return (TensorType(call.args[0].dims, result(call)),)

    def define(call: OpCall) -> TensorFunction:
        (out,) = infer(call)
        builder, (x,) = start(call, "x")
        y = builder.compute("y", out.dims, lambda *i: element(call, at(x, i)).astype(out.dtype))
        return builder.build(y)

    return Operator(name, infer, define, doc)


def variadic(
    name: str,
    elements: Elements,
    check: Check,
    doc: str,
    *,
    low: int,
    high: int | None = None,
    result: Result = dtype_of_first,
) -> Operator:
    """Return the broadcast operator ``y[i] = elements(a[i], b[i], ...)`` of arguments of one dtype."""

    def infer(call: OpCall) -> tuple[TensorType, ...]:
        count(call, low, high)
        for arg in call.args:
            check(call, arg)
        one_dtype(call)
        return (TensorType(broadcast(call), result(call)),)

    return Operator(name, infer, broadcasting(infer, elements), doc)


def broadcasting(
    infer: Callable[[OpCall], tuple[TensorType, ...]], elements: Elements
) -> Callable[[OpCall], TensorFunction]:
    """Return the definition of a broadcast operator with the type rule ``infer``."""

    def define(call: OpCall) -> TensorFunction:
        (out,) = infer(call)
        builder, inputs = start(call, "a", "b", "c", "d")

        def value(*index: Expr) -> Expr:
            return elements(call, [broadcast_at(x, index, out.dims) for x in inputs]).astype(out.dtype)

        return builder.build(builder.compute("y", out.dims, value))

    return define
