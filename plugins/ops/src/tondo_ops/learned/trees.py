"""Walks through decision trees: which leaf of each tree the rows of a matrix reach.

    node = roots[t]; depth times: node = yes[node] if x[row, feature[node]] (mode[node]) split[node] else no[node]

A leaf is its own successor, so that every walk has the same length and no branch; all trees share the arrays of nodes.
A NaN compares false, unless ``missing`` of the node says that it goes the way of true.
"""

from __future__ import annotations

from typing import Final

from tondo.ir import (
    INT64,
    Buffer,
    Const,
    Expr,
    For,
    Let,
    OpCall,
    Operator,
    Seq,
    Store,
    TensorFunction,
    TensorType,
    Var,
    const,
    logical_or,
    select,
    whole,
)
from tondo_ops.support.attributes import choice, flag, integer, refuse
from tondo_ops.support.indices import at
from tondo_ops.support.opaque import Nest, function_of
from tondo_ops.support.typing import agree, count, one_dtype, start, want_elements, want_float, want_integer, want_rank

MODES: Final = ("le", "lt", "ge", "gt", "eq", "ne")
"""Comparisons of a feature with a split; the array ``mode`` holds their positions here."""
_MIXED: Final = "mixed"


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 8)
    x, split, *arrays = call.args
    want_rank(call, x, 2)
    want_float(call, x)
    one_dtype(call, (x, split))
    for value in (split, *arrays):
        want_rank(call, value, 1)
    for value in arrays:
        want_integer(call, value)
    for value in arrays[:-1]:
        agree(call, split.dims[0], value.dims[0], "numbers of nodes")
    choice(call, "mode", (*MODES, _MIXED), _MIXED)
    flag(call, "missing", default=True)
    if integer(call, "depth") < 0:
        refuse(call, "attribute 'depth' must not be negative")
    shape = (x.dims[0], arrays[-1].dims[0])
    want_elements(call, (x.dims[1],), shape)
    return (TensorType(shape, INT64),)


def _compared(name: str, a: Expr, b: Expr) -> Expr:
    match name:
        case "le":
            return a <= b
        case "lt":
            return a < b
        case "ge":
            return a >= b
        case "gt":
            return a > b
        case "eq":
            return a.eq(b)
        case _:
            return a.ne(b)


def _holds(call: OpCall, value: Expr, split: Expr, mode: Expr) -> Expr:
    """Return whether the comparison of a node holds."""
    only = choice(call, "mode", (*MODES, _MIXED), _MIXED)
    if only != _MIXED:
        return _compared(only, value, split)
    result = _compared(MODES[-1], value, split)
    for number, name in reversed(list(enumerate(MODES[:-1]))):
        result = select(mode.eq(const(number, mode.dtype)), _compared(name, value, split), result)
    return result


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    _, inputs = start(call, "x", "split", "feature", "mode", "yes", "no", "missing", "roots")
    x, split, feature, mode, yes, no, missing, roots = inputs
    leaf = Buffer("leaf", out.dims, out.dtype)
    nest, step, node = Nest("walk", out.dims), Var("step"), Var("node")
    row, tree = nest.index
    value = Var("value", x.dtype)
    holds = _holds(call, value, at(split, (node,)), at(mode, (node,)))
    if flag(call, "missing", default=True):
        lost = value.ne(value)
        holds = logical_or(holds, lost & at(missing, (node,)).ne(const(0, missing.dtype)))
    follow = Store(leaf, nest.index, select(holds, at(yes, (node,)), at(no, (node,))).astype(INT64))
    body = Let(node, at(leaf, nest.index), Let(value, at(x, (row, at(feature, (node,)).astype(INT64))), follow))
    walk = For(step, Const(0), Const(integer(call, "depth")), body)
    begin = Store(leaf, nest.index, at(roots, (tree,)).astype(INT64))
    writes = nest.around(leaf, frozenset())
    reads = tuple(whole(buffer) for buffer in inputs)
    return function_of(call.op, inputs, (leaf,), nest.block(Seq((begin, walk)), reads, (writes,)))


OPERATORS: tuple[Operator, ...] = (Operator("tree_leaf", _infer, _define, "leaves that rows reach in decision trees"),)
