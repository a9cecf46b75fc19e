"""``transform_layout``: a buffer in another arrangement, every access rewritten.

Before::

    for i in range(4):
        for j in range(8):
            T[i, j] = A[i, j] * 2

After ``transform_layout("T", IndexMap.permutation((1, 0)))``::

    for i in range(8):
        for j in range(4):
            T[i, j] = A[j, i] * 2

A block that writes the buffer is iterated in the order of the new layout, so that its store indices are plain iteration
variables again; where a blocked axis is padded, padding elements are written as zero (by a block without a
reduction; one with a reduction is refused). Refused for a block that writes the buffer and is not in compute form
any more.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import (
    Allocate,
    Block,
    Buffer,
    Const,
    Expr,
    IterVar,
    Load,
    Node,
    Select,
    Stmt,
    Store,
    TensorFunction,
    Var,
    nest,
    rewrite,
    substitute,
)
from tondo_schedule.layout.index_map import IndexMap
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    Place,
    block_at,
    block_place,
    blocks_of,
    domain,
    nest_of,
    put,
    stores_of,
    touches,
    with_body,
    with_regions,
)


def transform_layout(function: TensorFunction, buffer: Buffer, index_map: IndexMap) -> TensorFunction:
    """Return ``function`` with ``buffer`` (a parameter or an allocation) arranged by ``index_map``.

    Raises:
        TondoError: TND-B003 if a writer cannot be iterated in the new order.
    """
    if index_map.rank != buffer.rank:
        refuse("transform_layout", f"buffer '{buffer.name}'", f"it has {buffer.rank} axes, the map {index_map.rank}")
    new = replace(buffer, shape=index_map.new_shape(buffer.shape), strides=None)
    writers = [
        block.name for block in blocks_of(function.body) if any(s.buffer == buffer for s in stores_of(block.body))
    ]
    for name in writers:
        function = _reiterate(function, block_place(function, name, "transform_layout"), buffer, index_map)
    body = _rewrite_accesses(function.body, buffer, new, index_map, frozenset(writers))
    params = tuple(new if param == buffer else param for param in function.params)
    return replace(function, params=params, body=body)


def _rewrite_accesses(body: Stmt, old: Buffer, new: Buffer, index_map: IndexMap, writers: frozenset[str]) -> Stmt:
    def change(item: Node) -> Node:
        if isinstance(item, Block) and item.name not in writers and touches(item, old):
            known = domain(item)

            def loads(node: Node) -> Node:
                if isinstance(node, Load) and node.buffer == old:
                    return Load(new, index_map.new_index(node.indices, known), node.predicate, node.span)
                return node

            return with_regions(item, rewrite(item.body, loads))
        if isinstance(item, Allocate) and item.buffer == old:
            return replace(item, buffer=new)
        return item

    result = rewrite(body, change)
    assert isinstance(result, Stmt)
    return result


def _reiterate(function: TensorFunction, place: Place, buffer: Buffer, index_map: IndexMap) -> TensorFunction:
    block = block_at(place)
    subject = f"buffer '{buffer.name}'"
    top = nest_of(place)
    store = block.body
    by_var = {it.var: it for it in block.iters}
    loops = {loop.var for loop in place.loops[len(Place(top.path).loops) :]}
    if not isinstance(store, Store) or store.predicate is not None or block.predicate is not None:
        refuse("transform_layout", subject, f"block '{block.name}' does not store unconditionally")
    spatial = [by_var[index] for index in store.indices if isinstance(index, Var) and index in by_var]
    if len(spatial) != buffer.rank or {it.binding for it in block.iters} != loops:
        refuse("transform_layout", subject, f"block '{block.name}', which writes it, is not in compute form")
    names = Names(function)
    new = replace(buffer, shape=index_map.new_shape(buffer.shape), strides=None)
    fresh = tuple(
        IterVar(Var(names(f"{block.name}_{i}")), extent, Var(names(f"{block.name}_l{i}")))
        for i, extent in enumerate(new.shape)
    )
    indices: tuple[Expr, ...] = tuple(it.var for it in fresh)
    old = index_map.old_index(indices)
    values: dict[Var, Expr] = {it.var: index for it, index in zip(spatial, old, strict=True)}
    others = tuple(it for it in block.iters if it not in spatial)
    padded = index_map.padded_axes(buffer.shape)
    if padded and others:
        refuse(
            "transform_layout", subject, f"block '{block.name}' reduces into it and axis {padded[0]} would be padded"
        )

    def access(item: Node) -> Node:
        if isinstance(item, (Load, Store)) and item.buffer == buffer:
            if tuple(item.indices) != old:
                refuse("transform_layout", subject, f"block '{block.name}' reads it at other places than it writes")
            return replace(item, buffer=new, indices=indices)
        return item

    body = _stmt(rewrite(substitute(store, values), access))
    inside = index_map.inside(indices, buffer.shape)
    if inside is not None:
        assert isinstance(body, Store)
        body = replace(body, value=Select(inside, body.value, Const(0, body.value.dtype)))
    init = None if block.init is None else _stmt(rewrite(substitute(block.init, values), access))
    made = nest(block.name, (*fresh, *others), body, init, block.attrs)
    return with_body(function, put(top, made))


def _stmt(value: Node) -> Stmt:
    assert isinstance(value, Stmt)
    return value
