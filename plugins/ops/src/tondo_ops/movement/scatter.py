"""Updates at run-time indices: a copy of the data, then one block that applies the updates in order.

A negative index counts from the end; updates outside the data are dropped. The iteration variables of the update
block are the dimensions along which updates cannot meet, so that its instances are independent.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import (
    Binary,
    Buffer,
    Const,
    Expr,
    For,
    If,
    IterVar,
    Let,
    Load,
    OpCall,
    Operator,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    TensorType,
    Var,
    all_of,
    const,
    nest,
    whole,
)
from tondo_ops.elementwise.binary import nan_wins
from tondo_ops.movement.gather import check_elements, index_depth
from tondo_ops.support.attributes import axis_of, choice
from tondo_ops.support.dims import ZERO, fits
from tondo_ops.support.indices import at, insert, replaced, wrapped
from tondo_ops.support.opaque import Nest, function_of
from tondo_ops.support.typing import agree, count, one_dtype, start, want_rank

_REDUCTIONS = ("none", "add", "mul", "max", "min")


def _combined(reduction: str, old: Load, new: Expr) -> Expr:
    match reduction:
        case "add":
            return old + new
        case "mul":
            return old * new
        case "max":
            return nan_wins(lambda a, b: Binary("max", a, b))(old, new)
        case "min":
            return nan_wins(lambda a, b: Binary("min", a, b))(old, new)
        case _:
            return new


def _copy(x: Buffer, y: Buffer) -> Stmt:
    """Return the stage ``y = x``."""
    iters = tuple(IterVar(Var(f"copy_{i}"), extent, Var(f"copy_l{i}")) for i, extent in enumerate(x.shape))
    index = tuple(it.var for it in iters)
    return nest("copy", iters, Store(y, index, at(x, index)))


def _update(call: OpCall, y: Buffer, place: Sequence[Expr], axes: Sequence[int], new: Expr) -> Stmt:
    """Return the update of ``y[place]`` by ``new`` if ``place`` is inside ``y`` along ``axes``."""
    store = Store(y, tuple(place), _combined(choice(call, "reduction", _REDUCTIONS, "none"), at(y, place), new))
    inside = all_of([test for axis in axes for test in (place[axis] >= ZERO, place[axis] < y.shape[axis])])
    return store if inside is None else If(inside, store)


def _infer_elements(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3)
    x, indices, updates = call.args
    check_elements(call, x, indices)
    one_dtype(call, (x, updates))
    want_rank(call, updates, indices.rank)
    for i, (a, b) in enumerate(zip(indices.dims, updates.dims, strict=True)):
        agree(call, a, b, f"sizes of dimension {i} of indices and updates")
    choice(call, "reduction", _REDUCTIONS, "none")
    return (x,)


def _define_elements(call: OpCall) -> TensorFunction:
    (out,) = _infer_elements(call)
    axis = axis_of(call, out.rank, default=0)
    _, (x, indices, updates) = start(call, "x", "indices", "updates")
    y = Buffer("y", out.dims, out.dtype)
    block = Nest("update", (*indices.shape[:axis], *indices.shape[axis + 1 :]))
    step, target = Var("step"), Var("target")
    source = insert(block.index, axis, step)
    guarded = [i for i, (a, b) in enumerate(zip(indices.shape, x.shape, strict=True)) if i == axis or not fits(a, b)]
    apply = _update(call, y, replaced(source, axis, target), guarded, at(updates, source))
    body = For(step, Const(0), indices.shape[axis], Let(target, wrapped(at(indices, source), x.shape[axis]), apply))
    along = frozenset({axis})
    region = block.around(y, along)
    reads = (block.around(indices, along), block.around(updates, along), region)
    update = block.block(body, reads, (region,))
    return function_of(call.op, (x, indices, updates), (y,), Seq((_copy(x, y), update)))


def _infer_nd(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 3)
    x, indices, updates = call.args
    depth = index_depth(call, x, indices, 0)
    one_dtype(call, (x, updates))
    wanted = (*indices.dims[:-1], *x.dims[depth:])
    want_rank(call, updates, len(wanted))
    for i, (a, b) in enumerate(zip(wanted, updates.dims, strict=True)):
        agree(call, a, b, f"size of dimension {i} of the updates")
    choice(call, "reduction", _REDUCTIONS, "none")
    return (x,)


def _define_nd(call: OpCall) -> TensorFunction:
    (out,) = _infer_nd(call)
    depth = index_depth(call, call.args[0], call.args[1], 0)
    _, (x, indices, updates) = start(call, "x", "indices", "updates")
    y = Buffer("y", out.dims, out.dtype)
    block = Nest("update", x.shape[depth:])
    steps = [Var(f"step{i}") for i in range(indices.rank - 1)]
    targets = [Var(f"target{i}") for i in range(depth)]
    apply = _update(call, y, (*targets, *block.index), range(depth), at(updates, (*steps, *block.index)))
    for i in reversed(range(depth)):
        apply = Let(targets[i], wrapped(at(indices, (*steps, const(i))), x.shape[i]), apply)
    for step, extent in reversed(list(zip(steps, indices.shape, strict=False))):
        apply = For(step, Const(0), extent, apply)
    region = block.around(y, frozenset(range(depth)))
    reads = (whole(indices), block.around(updates, frozenset(range(len(steps)))), region)
    update = block.block(apply, reads, (region,))
    return function_of(call.op, (x, indices, updates), (y,), Seq((_copy(x, y), update)))


OPERATORS: tuple[Operator, ...] = (
    Operator("scatter_elements", _infer_elements, _define_elements, "elements replaced along an axis by index"),
    Operator("scatter_nd", _infer_nd, _define_nd, "slices replaced by index tuples"),
)
