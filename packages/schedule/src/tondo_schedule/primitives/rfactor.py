"""``rfactor``: a reduction loop becomes independent partial results, which a second block combines.

Before::

    for i in range(4):
        for k in range(8):
            for l in range(4):
                C[i] += A[i, k * 4 + l]

After ``rfactor("C", l)``::

    C_part: memory[4, 4]
    for i in range(4):
        for k in range(8):
            for l in range(4):
                C_part[i, l] += A[i, k * 4 + l]
        for l_c in range(4):
            C[i] += C_part[i, l_c]

The partial results of a step that a predicate excludes stay neutral. Both blocks reassociate the combination, which has
to be a sum, a product, a minimum or a maximum. Refused for another body, and if reduction loops lie outside spatial
ones.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import (
    Allocate,
    Binary,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    IterVar,
    Load,
    Select,
    Stmt,
    Store,
    TensorFunction,
    Var,
    point_regions,
    seq,
    substitute,
)
from tondo.ir.expr import BinaryOp
from tondo_schedule.primitives.combiner import update_of
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import Names, analyzer_for, block_at, block_place, both, conjuncts, put, uses, with_body


def apply(function: TensorFunction, block: str, loop: Var) -> tuple[TensorFunction, tuple[str, Var]]:
    """Return the function, the name of the block of partial results, and the loop that combines them.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = block_place(function, block, "rfactor")
    node = block_at(place)
    subject = f"block '{block}'"
    update = update_of(node)
    if update is None:
        refuse("rfactor", subject, "it is not a reduction with a known neutral element")
    reduced = [it for it in node.iters if it.kind == "reduction"]
    loops = [item for item in place.loops if any(uses(it.binding, item.var) for it in reduced)]
    target = next((item for item in loops if item.var == loop), None)
    if target is None:
        refuse("rfactor", subject, f"it does not reduce over loop '{loop.name}'")
    first = place.path.index(loops[0])
    if any(isinstance(item, For) and item not in loops for item in place.path[first:-1]) or not all(
        isinstance(item, For) for item in place.path[first:-1]
    ):
        refuse("rfactor", subject, f"a spatial loop lies inside its reduction loop '{loops[0].var.name}'")
    analyzer = analyzer_for(function, place)
    extent = analyzer.simplify(target.extent)
    if not isinstance(extent, Const):
        refuse("rfactor", subject, f"the extent of loop '{loop.name}' is not constant", help="split it first")
    names = Names(function)
    store = node.body
    assert isinstance(store, Store)
    part = Buffer(names(f"{store.buffer.name}_part"), (*store.buffer.shape, extent), store.buffer.dtype)
    partial = _partial(node, loops, target, part, update.value, update.neutral, update.op, names)
    lane = Var(names(f"{loop.name}_lane"), loop.dtype)
    combining_loop = Var(names(f"{loop.name}_c"), loop.dtype)
    combining = _combining(node, part, IterVar(lane, extent, combining_loop, "reduction"), update.op)
    combining = replace(combining, predicate=partial.predicate)
    nest: Stmt = partial
    for item in reversed(loops):
        nest = For(item.var, item.begin, item.extent, nest, item.kind, item.attrs)
    last = For(combining_loop, Const(0), extent, combining)
    at = type(place)(place.path[: first + 1])
    body = put(at, seq(nest, last))
    return with_body(function, Allocate(part, body)), (partial.name, combining_loop)


def _partial(
    node: Block, loops: list[For], target: For, part: Buffer, value: Expr, neutral: Expr, op: BinaryOp, names: Names
) -> Block:
    store = node.body
    assert isinstance(store, Store)
    fresh: dict[Var, Expr] = {}
    iters: list[IterVar] = [it for it in node.iters if it.kind == "spatial"]
    for item in loops:
        var = Var(names(f"{item.var.name}_v"), item.var.dtype)
        fresh[item.var] = var
        iters.append(IterVar(var, item.extent, item.var, "spatial" if item is target else "reduction"))
    bindings: dict[Var, Expr] = {it.var: substitute(it.binding, fresh) for it in node.iters if it.kind == "reduction"}
    element = substitute(value, bindings)
    predicate, steps = split_predicate(node, [item.var for item in loops])
    if steps is not None:
        element = Select(substitute(steps, fresh), element, neutral)
    indices = (*store.indices, fresh[target.var])
    body = Store(part, indices, Binary(op, Load(part, indices), element))
    init = Store(part, indices, neutral)
    reads, writes = point_regions(body)
    return Block(names(f"{node.name}_part"), tuple(iters), reads, writes, body, init, predicate, node.attrs)


def split_predicate(node: Block, loops: list[Var]) -> tuple[Expr | None, Expr | None]:
    """Return the part of the predicate free of the reduction ``loops``, and the rest."""
    free: Expr | None = None
    steps: Expr | None = None
    for part in conjuncts(node.predicate):
        if any(uses(part, var) for var in loops):
            steps = both(steps, part)
        else:
            free = both(free, part)
    return free, steps


def _combining(node: Block, part: Buffer, lane: IterVar, op: BinaryOp) -> Block:
    store = node.body
    assert isinstance(store, Store)
    iters = (*(it for it in node.iters if it.kind == "spatial"), lane)
    body = Store(
        store.buffer,
        store.indices,
        Binary(op, Load(store.buffer, store.indices), Load(part, (*store.indices, lane.var))),
    )
    reads, writes = point_regions(body)
    return replace(node, iters=iters, reads=reads, writes=writes, body=body, predicate=None)
