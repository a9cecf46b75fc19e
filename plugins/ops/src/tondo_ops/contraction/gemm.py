"""General matrix product of two matrices: ``alpha * a @ b + beta * c``, either transposed."""

from __future__ import annotations

from tondo.ir import FLOAT64, Expr, OpCall, Operator, TensorFunction, TensorType, const
from tondo_ops.support.attributes import flag, number
from tondo_ops.support.indices import at, broadcast_at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import agree, broadcast_to, count, one_dtype, start, want_numeric, want_rank, wide


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2, 3)
    dtype = one_dtype(call)
    a, b = call.args[:2]
    want_numeric(call, a)
    want_rank(call, a, 2)
    want_rank(call, b, 2)
    rows, depth = reversed(a.dims) if flag(call, "trans_a", default=False) else a.dims
    depth_b, columns = reversed(b.dims) if flag(call, "trans_b", default=False) else b.dims
    agree(call, depth, depth_b, "columns of the first and rows of the second")
    shape = (rows, columns)
    if len(call.args) > 2:
        what = "the third argument does not broadcast to the shape of the product"
        broadcast_to(call, call.args[2].dims, shape, what)
    return (TensorType(shape, dtype),)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    alpha, beta = number(call, "alpha", 1.0), number(call, "beta", 1.0)
    trans_a, trans_b = flag(call, "trans_a", default=False), flag(call, "trans_b", default=False)
    builder, (a, b, *c) = start(call, "a", "b", "c")
    dtype = wide(out.dtype)
    depth = a.shape[0] if trans_a else a.shape[1]

    def term(i: Expr, j: Expr, k: Expr) -> Expr:
        left = at(a, (k, i) if trans_a else (i, k)).astype(dtype)
        return left * at(b, (j, k) if trans_b else (k, j)).astype(dtype)

    total = reduction(builder, "total", out.dims, (depth,), term)
    added = c if beta != 0 else []
    if alpha == 1 and not added and dtype == out.dtype:
        return builder.build(total)

    def value(*index: Expr) -> Expr:
        result = at(total, index)
        if alpha != 1:
            result = _scaled(result, alpha)
        if added:
            more = broadcast_at(added[0], index, out.dims).astype(dtype)
            result = result + (more if beta == 1 else _scaled(more, beta))
        return result.astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


def _scaled(value: Expr, factor: float) -> Expr:
    """Return ``value * factor``; integers are scaled in double precision unless the factor is whole."""
    if value.dtype.is_float or factor == int(factor):
        return value * const(factor, value.dtype)
    return (value.astype(FLOAT64) * const(factor, FLOAT64)).astype(value.dtype)


OPERATORS: tuple[Operator, ...] = (Operator("gemm", _infer, _define, "alpha * a @ b + beta * c of matrices"),)
