"""Choices by position: triangles of matrices, and sequences reversed up to their lengths."""

from __future__ import annotations

from tondo.ir import INT64, Expr, OpCall, Operator, TensorFunction, TensorType, const, select
from tondo_ops.support.attributes import axis_of, dim, flag, refuse
from tondo_ops.support.indices import at, clamped, replaced
from tondo_ops.support.typing import agree, count, start, want_integer, want_rank

_MANY = 64


def _infer_trilu(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1, 2)
    want_rank(call, call.args[0], 2, _MANY)
    dim(call, "k", 0)
    for given in call.args[1:]:
        want_rank(call, given, 0)
        want_integer(call, given)
    return call.args[:1]


def _define_trilu(call: OpCall) -> TensorFunction:
    (out,) = _infer_trilu(call)
    upper, k = flag(call, "upper", default=True), dim(call, "k", 0)
    builder, (x, *given) = start(call, "x", "k")

    def value(*i: Expr) -> Expr:
        diagonal = i[-2] + (at(given[0], ()).astype(INT64) if given else k)
        kept = i[-1] >= diagonal if upper else i[-1] <= diagonal
        return select(kept, at(x, i), const(0, x.dtype))

    return builder.build(builder.compute("y", out.dims, value))


def _axes(call: OpCall) -> tuple[int, int]:
    rank = call.args[0].rank
    time = axis_of(call, rank, "time_axis", 0)
    batch = axis_of(call, rank, "batch_axis", 1)
    if time == batch:
        refuse(call, "time and batch are the same axis")
    return time, batch


def _infer_reverse(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2)
    x, lengths = call.args
    want_rank(call, x, 2, _MANY)
    want_rank(call, lengths, 1)
    want_integer(call, lengths)
    _, batch = _axes(call)
    agree(call, lengths.dims[0], x.dims[batch], "number of lengths and of sequences")
    return (x,)


def _define_reverse(call: OpCall) -> TensorFunction:
    (out,) = _infer_reverse(call)
    time, batch = _axes(call)
    builder, (x, lengths) = start(call, "x", "lengths")

    def value(*i: Expr) -> Expr:
        length = at(lengths, (i[batch],)).astype(INT64)
        mirrored = clamped(length - 1 - i[time], x.shape[time])
        return select(i[time] < length, at(x, replaced(i, time, mirrored)), at(x, i))

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("trilu", _infer_trilu, _define_trilu, "the upper or lower triangle of matrices"),
    Operator("reverse_sequence", _infer_reverse, _define_reverse, "each sequence reversed up to its length"),
)
