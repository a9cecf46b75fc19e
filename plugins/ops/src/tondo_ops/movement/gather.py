"""Lookups by run-time indices. A negative index counts from the end; one outside the axis is clamped."""

from __future__ import annotations

from tondo.ir import Const, Expr, OpCall, Operator, TensorFunction, TensorType, const, minimum
from tondo_ops.support.attributes import axis_of, integer, refuse
from tondo_ops.support.dims import fits
from tondo_ops.support.indices import at, clamped, replaced
from tondo_ops.support.typing import agree, count, start, want_elements, want_integer, want_rank

_MANY = 64


def _infer_gather(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    x, indices = call.args
    want_rank(call, x, 1, _MANY)
    want_integer(call, indices)
    axis = axis_of(call, x.rank, default=0)
    shape = (*x.dims[:axis], *indices.dims, *x.dims[axis + 1 :])
    want_elements(call, (x.dims[axis],), shape)
    return (TensorType(shape, x.dtype),)


def _define_gather(call: OpCall) -> TensorFunction:
    (out,) = _infer_gather(call)
    axis = axis_of(call, call.args[0].rank, default=0)
    builder, (x, indices) = start(call, "x", "indices")
    end = axis + indices.rank

    def value(*index: Expr) -> Expr:
        place = clamped(at(indices, index[axis:end]), x.shape[axis])
        return at(x, (*index[:axis], place, *index[end:]))

    return builder.build(builder.compute("y", out.dims, value))


def check_elements(call: OpCall, x: TensorType, indices: TensorType) -> int:
    """Return the axis; refuse indices that do not have the rank of ``x``."""
    want_rank(call, x, 1, _MANY)
    want_integer(call, indices)
    want_rank(call, indices, x.rank)
    return axis_of(call, x.rank, default=0)


def _infer_elements(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    x, indices = call.args
    check_elements(call, x, indices)
    want_elements(call, x.dims, indices.dims)
    return (TensorType(indices.dims, x.dtype),)


def _define_elements(call: OpCall) -> TensorFunction:
    (out,) = _infer_elements(call)
    axis = axis_of(call, out.rank, default=0)
    builder, (x, indices) = start(call, "x", "indices")

    inside = [fits(a, b) for a, b in zip(indices.shape, x.shape, strict=True)]

    def value(*i: Expr) -> Expr:
        own = [j if fit else minimum(j, extent - 1) for j, fit, extent in zip(i, inside, x.shape, strict=True)]
        return at(x, replaced(own, axis, clamped(at(indices, i), x.shape[axis])))

    return builder.build(builder.compute("y", out.dims, value))


def index_depth(call: OpCall, x: TensorType, indices: TensorType, batch: int) -> int:
    """Return how many dimensions an index tuple of a gather_nd or scatter_nd addresses."""
    want_integer(call, indices)
    want_rank(call, indices, batch + 1, _MANY)
    depth = indices.dims[-1]
    if not isinstance(depth, Const) or not 0 < depth.value <= x.rank - batch:
        refuse(call, "the last dimension of the indices must be a constant between 1 and the rank that remains")
    return int(depth.value)


def _infer_nd(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    x, indices = call.args
    batch = integer(call, "batch_dims", 0)
    if batch < 0:
        refuse(call, "attribute 'batch_dims' must not be negative")
    depth = index_depth(call, x, indices, batch)
    for i in range(batch):
        agree(call, x.dims[i], indices.dims[i], f"sizes of batch dimension {i}")
    shape = (*indices.dims[:-1], *x.dims[batch + depth :])
    want_elements(call, x.dims[batch : batch + depth], shape)
    return (TensorType(shape, x.dtype),)


def _define_nd(call: OpCall) -> TensorFunction:
    (out,) = _infer_nd(call)
    batch = integer(call, "batch_dims", 0)
    depth = index_depth(call, call.args[0], call.args[1], batch)
    builder, (x, indices) = start(call, "x", "indices")
    cut = indices.rank - 1

    def value(*index: Expr) -> Expr:
        places = [clamped(at(indices, (*index[:cut], const(i))), x.shape[batch + i]) for i in range(depth)]
        return at(x, (*index[:batch], *places, *index[cut:]))

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("gather", _infer_gather, _define_gather, "slices along an axis by index"),
    Operator("gather_elements", _infer_elements, _define_elements, "elements along an axis by index"),
    Operator("gather_nd", _infer_nd, _define_nd, "slices by index tuples"),
)
