"""Joining tensors along an axis, present (concat) or new (stack)."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType, is_const, select
from tondo_ops.support.attributes import axis_of, integer, normal_axis
from tondo_ops.support.dims import tidy, total
from tondo_ops.support.indices import at, insert, replaced
from tondo_ops.support.typing import agree, count, one_dtype, start, want_rank

_MANY = 1 << 16


def _infer_concat(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1, _MANY)
    dtype = one_dtype(call)
    first = call.args[0]
    want_rank(call, first, 1, _MANY)
    axis = axis_of(call, first.rank)
    shape = list(first.dims)
    for arg in call.args[1:]:
        want_rank(call, arg, first.rank)
        for i, extent in enumerate(arg.dims):
            if i != axis:
                shape[i] = agree(call, shape[i], extent, f"sizes of dimension {i}")
    shape[axis] = total(arg.dims[axis] for arg in call.args)
    return (TensorType(tuple(shape), dtype),)


def _define_concat(call: OpCall) -> TensorFunction:
    """A chain of choices by the position along the axis; empty arguments are left out."""
    (out,) = _infer_concat(call)
    axis = axis_of(call, out.rank)
    builder, inputs = start(call, "x0", "x")
    parts = [x for x in inputs if not is_const(x.shape[axis], 0)] or inputs[:1]
    begins = [total(x.shape[axis] for x in parts[:i]) for i in range(len(parts))]

    def value(*index: Expr) -> Expr:
        result: Expr = at(parts[-1], replaced(index, axis, index[axis] - begins[-1]))
        for part, begin, end in reversed(list(zip(parts, begins, begins[1:], strict=False))):
            result = select(index[axis] < end, at(part, replaced(index, axis, index[axis] - begin)), result)
        return result

    return builder.build(builder.compute("y", out.dims, value))


def _stack_axis(call: OpCall) -> int:
    return normal_axis(call, integer(call, "axis", 0), call.args[0].rank + 1)


def _infer_stack(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1, _MANY)
    dtype = one_dtype(call)
    shape: Sequence[Expr] = call.args[0].dims
    for arg in call.args[1:]:
        want_rank(call, arg, len(shape))
        shape = [
            agree(call, a, b, f"sizes of dimension {i}") for i, (a, b) in enumerate(zip(shape, arg.dims, strict=True))
        ]
    return (TensorType(insert(tuple(shape), _stack_axis(call), tidy(len(call.args))), dtype),)


def _define_stack(call: OpCall) -> TensorFunction:
    (out,) = _infer_stack(call)
    axis = _stack_axis(call)
    builder, inputs = start(call, "x0", "x")

    def value(*index: Expr) -> Expr:
        rest = (*index[:axis], *index[axis + 1 :])
        result: Expr = at(inputs[-1], rest)
        for position in reversed(range(len(inputs) - 1)):
            result = select(index[axis].eq(position), at(inputs[position], rest), result)
        return result

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("concat", _infer_concat, _define_concat, "tensors one after the other along an axis"),
    Operator("stack", _infer_stack, _define_stack, "tensors along a new axis"),
)
