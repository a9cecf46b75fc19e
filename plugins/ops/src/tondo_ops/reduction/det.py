"""Determinants of matrices: elimination with the largest pivot of each column, in a copy of the matrix."""

from __future__ import annotations

from tondo.ir import (
    Allocate,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Let,
    OpCall,
    Operator,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    TensorType,
    Var,
    const,
    intrin,
)
from tondo_ops.support.attributes import refuse
from tondo_ops.support.indices import at
from tondo_ops.support.opaque import Nest, function_of
from tondo_ops.support.typing import agree, count, start, want_float, want_rank, wide

_MANY = 64


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    want_float(call, x)
    want_rank(call, x, 2, _MANY)
    agree(call, x.dims[-2], x.dims[-1], "sizes of the matrices")
    if not all(isinstance(extent, Const) for extent in x.dims[-2:]):
        refuse(call, "the size of the matrices must be known")
    return (TensorType(x.dims[:-2], x.dtype),)


def _loop(var: Var, begin: Expr, end: Expr, body: Stmt) -> Stmt:
    return For(var, begin, end - begin, body)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    _, (x,) = start(call, "x")
    size, kind = x.shape[-1], wide(x.dtype)
    y = Buffer("y", out.dims, out.dtype)
    block = Nest("det", out.dims)
    work, pivot = Buffer("work", (size, size), kind), Buffer("pivot", (const(1),), const(0).dtype)
    product = Buffer("product", (const(1),), kind)
    row, column, step, other, inner, swap = (Var(name) for name in ("row", "column", "step", "other", "inner", "swap"))
    zero, here = const(0), const(0)
    copy = _loop(row, zero, size, _loop(column, zero, size, Store(work, (row, column), _source(x, block, row, column))))
    best = at(pivot, (here,))
    larger = intrin("abs", at(work, (other, step))) > intrin("abs", at(work, (best, step)))
    search = _loop(other, step + 1, size, If(larger, Store(pivot, (here,), other)))
    value = Var("value", kind)
    swapped = Let(
        value,
        at(work, (step, swap)),
        Seq((Store(work, (step, swap), at(work, (best, swap))), Store(work, (best, swap), value))),
    )
    exchange = If(
        best.ne(step), Seq((_loop(swap, zero, size, swapped), Store(product, (here,), -at(product, (here,)))))
    )
    factor = Var("factor", kind)
    update = Store(work, (row, inner), at(work, (row, inner)) - factor * at(work, (step, inner)))
    eliminate = _loop(
        row, step + 1, size,
        Let(factor, at(work, (row, step)) / at(work, (step, step)), _loop(inner, step, size, update)),
    )  # fmt: skip
    guarded = If(at(work, (step, step)).ne(const(0, kind)), eliminate)
    multiply = Store(product, (here,), at(product, (here,)) * at(work, (step, step)))
    turn = Seq((Store(pivot, (here,), step), search, exchange, guarded, multiply))
    steps = (
        copy,
        Store(product, (here,), const(1, kind)),
        _loop(step, zero, size, turn),
        Store(y, block.index, at(product, (here,)).astype(out.dtype)),
    )
    body: Stmt = Allocate(work, Allocate(pivot, Allocate(product, Seq(steps))))
    rank = x.rank
    stmt = block.block(body, (block.around(x, frozenset({rank - 2, rank - 1})),), (block.around(y, frozenset()),))
    return function_of(call.op, (x,), (y,), stmt)


def _source(x: Buffer, block: Nest, row: Var, column: Var) -> Expr:
    return at(x, (*block.index, row, column)).astype(wide(x.dtype))


OPERATORS: tuple[Operator, ...] = (Operator("det", _infer, _define, "determinants of matrices"),)
