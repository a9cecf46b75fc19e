"""``decompose_reduction``: the start of a reduction becomes a block of its own before a loop.

Before::

    for i in range(4):
        for k in range(8):
            C[i] += A[i, k]

After ``decompose_reduction("C", k)``::

    for i in range(4):
        C[i] = 0
        for k in range(8):
            C[i] = C[i] + A[i, k]

Refused if the block has no init, if one of its reduction loops lies outside the loop, or if tiles overlap inside, which
would add twice what they share.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Block, Expr, For, Stmt, TensorFunction, Var, point_regions, seq, substitute
from tondo_schedule.primitives.split import OVERLAP
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import Names, block_at, block_place, both, conjuncts, loop_at, loop_place, put, uses, with_body


def apply(function: TensorFunction, block: str, loop: Var) -> tuple[TensorFunction, str]:
    """Return the function and the name of the block that starts the reduction.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = block_place(function, block, "decompose_reduction")
    node = block_at(place)
    subject = f"block '{block}'"
    if node.init is None:
        refuse("decompose_reduction", subject, "it has no init")
    at = loop_at(loop_place(function, loop, "decompose_reduction"))
    if at not in place.loops:
        refuse("decompose_reduction", subject, f"it is not inside loop '{loop.name}'")
    reduced = [it for it in node.iters if it.kind == "reduction"]
    for outer in place.loops[: place.loops.index(at)]:
        if any(uses(it.binding, outer.var) for it in reduced):
            refuse("decompose_reduction", subject, f"its reduction loop '{outer.var.name}' lies outside '{loop.name}'")
    for inner in place.loops[place.loops.index(at) :]:
        if inner.attrs.get(OVERLAP):
            refuse("decompose_reduction", subject, f"the tiles of loop '{inner.var.name}' overlap and would add twice")
    names = Names(function)
    inside = place.loops[place.loops.index(at) :]
    spatial = tuple(it for it in node.iters if it.kind == "spatial")
    copied = [item for item in inside if any(uses(it.binding, item.var) for it in spatial)]
    fresh: dict[Var, Expr] = {item.var: Var(names(f"{item.var.name}_init"), item.var.dtype) for item in copied}
    values: dict[Var, Expr] = {it.var: Var(names(f"{it.var.name}_init"), it.var.dtype) for it in spatial}
    iters = tuple(replace(it, var=_var(values[it.var]), binding=substitute(it.binding, fresh)) for it in spatial)
    init = substitute(node.init, values)
    reads, writes = point_regions(init)
    predicate = _spatial_part(node, [item.var for item in inside if item not in copied], fresh, subject)
    name = names(f"{block}_init")
    stmt: Stmt = Block(name, iters, reads, writes, init, None, predicate)
    for item in reversed(copied):
        stmt = For(_var(fresh[item.var]), item.begin, item.extent, stmt, item.kind, item.attrs)
    made = with_body(function, put(place, replace(node, init=None)))
    target = loop_place(made, loop)
    return with_body(made, put(target, seq(stmt, target.node))), name


def _var(value: Expr) -> Var:
    assert isinstance(value, Var)
    return value


def _spatial_part(block: Block, reduction: list[Var], fresh: dict[Var, Expr], subject: str) -> Expr | None:
    """Return the conditions on the spatial loops; those on reduction loops alone do not matter for the start."""
    result: Expr | None = None
    for part in conjuncts(block.predicate):
        if not any(uses(part, var) for var in reduction):
            result = both(result, substitute(part, fresh))
        elif any(uses(part, var) for var in fresh):
            refuse("decompose_reduction", subject, "its predicate mixes spatial and reduction loops")
    return result
