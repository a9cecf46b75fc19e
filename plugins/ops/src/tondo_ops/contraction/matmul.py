"""Matrix product with numpy's rules: vectors, and broadcast batch dimensions."""

from __future__ import annotations

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType
from tondo_ops.support.attributes import refuse
from tondo_ops.support.indices import at, broadcast_index
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import agree, broadcast, count, start, want_numeric, wide
from tondo_ops.window.conv import finish, out_dtype


def _shape(call: OpCall) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
    """Return (batch dimensions, row and column dimensions that the result has)."""
    a, b = call.args
    batch = broadcast(call, [a.dims[:-2], b.dims[:-2]])
    rows = a.dims[-2:-1]
    columns = b.dims[-1:] if b.rank > 1 else ()
    return batch, (*rows, *columns)


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    a, b = call.args
    if a.rank == 0 or b.rank == 0:
        refuse(call, "scalars have no matrix product")
    want_numeric(call, a)
    want_numeric(call, b)
    agree(call, a.dims[-1], b.dims[max(b.rank - 2, 0)], "columns of the first and rows of the second")
    batch, rest = _shape(call)
    return (TensorType((*batch, *rest), out_dtype(call, a, b)),)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (a, b) = start(call, "a", "b")
    batch, _ = _shape(call)
    dtype = wide(out.dtype)
    depth = a.shape[-1]

    def value(*index: Expr) -> Expr:
        outer, inner, k = index[: len(batch)], list(index[len(batch) : -1]), index[-1]
        row = (inner.pop(0),) if a.rank > 1 else ()
        column = (inner.pop(0),) if b.rank > 1 else ()
        left = broadcast_index(a.shape[:-2], outer, batch)
        right = broadcast_index(b.shape[:-2], outer, batch)
        return at(a, (*left, *row, k)).astype(dtype) * at(b, (*right, k, *column)).astype(dtype)

    total = reduction(builder, "total", out.dims, (depth,), value)
    return builder.build(finish(builder, total, (), out))


OPERATORS: tuple[Operator, ...] = (
    Operator("matmul", _infer, _define, "matrix product with broadcast batch dimensions"),
)
