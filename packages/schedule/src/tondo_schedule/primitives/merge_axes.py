"""``merge_axes``: two neighbouring axes of several blocks become one, and so do the axes of the buffers they index.

Before (``X`` and ``O`` are 5 x 6 x 4)::

    for i in range(5):
        for j in range(6):
            for c in range(4):
                O[i, j, c] = X[i, j, c] * 2

After ``merge_axes(("O", i, j))``, ``X_m`` and ``O_m`` being views of the parameters::

    O_m: memory[30, 4]
    X_m: memory[30, 4]
    for O_f in range(30):
        for c in range(4):
            O_m[O_f, c] = X_m[O_f, c] * 2

Parameters are seen through views, intermediate buffers change their shape. Refused if some access has the two
variables at other places than two neighbouring dimensions of exactly their extents, or if another block uses an
intermediate buffer that would change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tondo.arith import Analyzer
from tondo.ir import (
    Allocate,
    Block,
    Buffer,
    Const,
    For,
    IterVar,
    Load,
    Node,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    mul,
    rewrite,
    substitute,
    walk,
)
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    Place,
    analyzer_for,
    block_at,
    block_place,
    blocks_of,
    nest_of,
    put,
    touches,
    uses,
    with_body,
    with_regions,
)

Axes = tuple[str, Var, Var]
"""A block and the iteration variables (outer, inner) of it that are to be merged."""


@dataclass(frozen=True, slots=True)
class _Merged:
    """The buffer that replaces another one, and the first of the two dimensions that it merges."""

    buffer: Buffer
    dim: int


def apply(function: TensorFunction, axes: tuple[Axes, ...]) -> tuple[TensorFunction, tuple[Var, ...]]:
    """Return the function and the merged iteration variable of each block, in order.

    Raises:
        TondoError: TND-B003 if the axes cannot be merged.
    """
    plans = [(block_place(function, name, "merge_axes"), outer, inner) for name, outer, inner in axes]
    names = Names(function)
    buffers: dict[Buffer, _Merged] = {}
    for place, outer, inner in plans:
        _collect(function, block_at(place), outer, inner, buffers, names)
    _check_others(function, buffers, {name for name, _, _ in axes})
    made: list[Var] = []
    for name, outer, inner in axes:
        function, var = _merge_block(function, block_place(function, name), outer, inner, buffers, names)
        made.append(var)
    return _declare(function, buffers), tuple(made)


def _collect(
    function: TensorFunction, block: Block, outer: Var, inner: Var, buffers: dict[Buffer, _Merged], names: Names
) -> None:
    analyzer = analyzer_for(function)
    extent = next(it.extent for it in block.iters if it.var == inner)
    subject = f"block '{block.name}'"
    for item in walk(block.body):
        if not isinstance(item, (Load, Store)) or not any(
            uses(index, v) for index in item.indices for v in (outer, inner)
        ):
            continue
        dims = [d for d, index in enumerate(item.indices) if any(uses(index, v) for v in (outer, inner))]
        neighbours = len(dims) == 2 and dims[1] == dims[0] + 1
        if not neighbours or (item.indices[dims[0]], item.indices[dims[1]]) != (outer, inner):
            refuse(
                "merge_axes", subject, f"'{item.buffer.name}' is not indexed by [.., {outer.name}, {inner.name}, ..]"
            )
        if not analyzer.prove(item.buffer.shape[dims[1]].eq(extent)) or not _is_dense(item.buffer, dims[0], analyzer):
            refuse(
                "merge_axes",
                subject,
                f"dimension {dims[1]} of '{item.buffer.name}' is not the extent of '{inner.name}'",
            )
        known = buffers.get(item.buffer)
        if known is None:
            buffers[item.buffer] = _Merged(_merged(item.buffer, dims[0], function, names), dims[0])
        elif known.dim != dims[0]:
            refuse("merge_axes", subject, f"'{item.buffer.name}' would be merged in two ways")


def _is_dense(buffer: Buffer, dim: int, analyzer: Analyzer) -> bool:
    """Whether dimensions ``dim`` and ``dim + 1`` of ``buffer`` lie in memory like one."""
    if buffer.strides is None:
        return True
    outer, inner = buffer.strides[dim : dim + 2]
    return analyzer.prove(outer.eq(mul(inner, buffer.shape[dim + 1])))


def _merged(buffer: Buffer, dim: int, function: TensorFunction, names: Names) -> Buffer:
    size = analyzer_for(function).simplify(mul(buffer.shape[dim], buffer.shape[dim + 1]))
    shape = (*buffer.shape[:dim], size, *buffer.shape[dim + 2 :])
    strides = None if buffer.strides is None else (*buffer.strides[:dim], *buffer.strides[dim + 1 :])
    return replace(
        buffer,
        shape=shape,
        strides=strides,
        name=names(f"{buffer.name}_m") if _viewed(function, buffer) else buffer.name,
    )


def _viewed(function: TensorFunction, buffer: Buffer) -> bool:
    """Parameters, and buffers that are views already, are seen through a view."""
    return not any(isinstance(item, Allocate) and item.buffer == buffer for item in walk(function.body))


def _check_others(function: TensorFunction, buffers: dict[Buffer, _Merged], named: set[str]) -> None:
    for block in blocks_of(function.body):
        for buffer in buffers:
            if block.name not in named and not _viewed(function, buffer) and touches(block, buffer):
                refuse("merge_axes", f"block '{block.name}'", f"it uses '{buffer.name}', which would change its shape")


def _merge_block(
    function: TensorFunction, place: Place, outer: Var, inner: Var, buffers: dict[Buffer, _Merged], names: Names
) -> tuple[TensorFunction, Var]:
    block = block_at(place)
    top = nest_of(place)
    by_var = {it.var: it for it in block.iters}
    first, second = by_var[outer], by_var[inner]
    loops = [item for item in place.path[len(top.path) - 1 : -1] if isinstance(item, For)]
    gone = {first.binding, second.binding}
    if not gone <= {loop.var for loop in loops} or block.predicate is not None:
        refuse("merge_axes", f"block '{block.name}'", "it is not in compute form")
    var, loop = Var(names(f"{outer.name}_{inner.name}")), Var(names(f"{block.name}_f"))
    extent = analyzer_for(function).simplify(mul(first.extent, second.extent))

    def change(item: Node) -> Node:
        if isinstance(item, (Load, Store)) and item.buffer in buffers:
            merged = buffers[item.buffer]
            if item.indices[merged.dim : merged.dim + 2] == (outer, inner):
                indices = (*item.indices[: merged.dim], var, *item.indices[merged.dim + 2 :])
                return replace(item, buffer=merged.buffer, indices=indices)
        return item

    body = rewrite(block.body, change)
    init = None if block.init is None else rewrite(block.init, change)
    iters = tuple(IterVar(var, extent, loop, it.kind) if it is second else it for it in block.iters if it is not first)
    made: Stmt = replace(with_regions(block, body), iters=iters, init=init)  # type: ignore[arg-type]
    for item in reversed(loops):
        if item.var == second.binding:
            made = For(loop, Const(0), extent, made, item.kind, item.attrs)
        elif item.var != first.binding:
            made = replace(item, body=made)
    if any(uses(made, v) for v in (outer, inner)):
        refuse("merge_axes", f"block '{block.name}'", f"'{outer.name}' or '{inner.name}' is used outside of indices")
    return with_body(function, put(top, made)), var


def _declare(function: TensorFunction, buffers: dict[Buffer, _Merged]) -> TensorFunction:
    views = {old: merged.buffer for old, merged in buffers.items() if _viewed(function, old)}
    shapes = {old: merged.buffer for old, merged in buffers.items() if old not in views}
    body = substitute(function.body, None, shapes)
    params = set(function.buffers)
    for old, new in views.items():
        base = _base(body, old) if old not in params else old
        body = _insert_view(body, View(new, base, Const(0), body))
    return with_body(function, body)


def _base(body: Stmt, buffer: Buffer) -> Buffer:
    for item in walk(body):
        if isinstance(item, View) and item.buffer == buffer:
            return item.base
    return buffer


def _insert_view(body: Stmt, view: View) -> Stmt:
    """Put the view inside the outer allocations, next to the code."""
    if isinstance(body, (Allocate, View)):
        return replace(body, body=_insert_view(body.body, view))
    return replace(view, body=body)
