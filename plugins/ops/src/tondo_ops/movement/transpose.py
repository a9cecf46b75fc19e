"""Permutation of dimensions."""

from __future__ import annotations

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType
from tondo_ops.support.attributes import optional_ints, refuse
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start


def _perm(call: OpCall) -> tuple[int, ...]:
    rank = call.args[0].rank
    perm = optional_ints(call, "perm")
    if perm is None:
        return tuple(reversed(range(rank)))
    result = tuple(axis + rank if axis < 0 else axis for axis in perm)
    if sorted(result) != list(range(rank)):
        refuse(call, f"{perm} is not a permutation of {rank} dimensions")
    return result


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    return (TensorType(tuple(x.dims[axis] for axis in _perm(call)), x.dtype),)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    perm = _perm(call)
    builder, (x,) = start(call, "x")

    def value(*index: Expr) -> Expr:
        return at(x, [index[perm.index(axis)] for axis in range(x.rank)])

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (Operator("transpose", _infer, _define, "dimensions in another order"),)
