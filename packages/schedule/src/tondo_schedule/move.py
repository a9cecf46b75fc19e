"""Move a block under another loop: loops over a region of its domain instead of loops over all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tondo.ir import Block, Const, Expr, For, If, IterVar, Stmt, TensorFunction, Var, add, seq
from tondo_schedule.refusal import refuse
from tondo_schedule.region import Span
from tondo_schedule.tree import (
    Names,
    Place,
    analyzer_for,
    block_at,
    both,
    loop_at,
    loop_place,
    nest_of,
    put,
    with_body,
)


def nest_over(function: TensorFunction, block: Block, spans: Mapping[Var, Span], at: Place) -> Stmt:
    """Return ``block`` in new loops: over ``spans[v]`` for a variable that has one, else over its domain.

    A predicate keeps the variables within their domains where that is not proven. ``at`` is the loop the nest goes
    into.
    """
    names = Names(function)
    analyzer = analyzer_for(function, at)
    node = loop_at(at)
    analyzer = analyzer.with_range(node.var, node.begin, node.extent)
    loops: list[tuple[Var, Expr]] = []
    iters: list[IterVar] = []
    predicate: Expr | None = None
    for it in block.iters:
        span = spans.get(it.var, Span(Const(0), it.extent))
        extent = analyzer.simplify(span.extent)
        if span.low == Const(0) and analyzer.prove(extent >= it.extent):
            extent = analyzer.simplify(it.extent)  # the span covers padding of the buffer, too
        binding: Expr = span.low
        inner = analyzer
        if extent != Const(1):
            var = Var(names(f"{it.var.name}_i"), it.var.dtype)
            loops.append((var, extent))
            binding = add(span.low, var)
            inner = analyzer.with_range(var, Const(0), extent)
        binding = inner.simplify(binding)
        for condition in (binding < it.extent, binding >= Const(0)):
            if not inner.prove(condition):
                predicate = both(predicate, condition)
        iters.append(replace(it, binding=binding))
    stmt: Stmt = replace(block, iters=tuple(iters), predicate=predicate)
    for var, extent in reversed(loops):
        stmt = For(var, Const(0), extent, stmt)
    return stmt


def check_conditions(block: Place, loop: Place, primitive: str) -> None:
    """Refuse to move the block at ``block`` to ``loop`` out of a branch that depends on a condition."""
    around = [item for item in block.around if isinstance(item, If)]
    if any(not any(item is other for other in loop.around) for item in around):
        refuse(primitive, f"block '{block_at(block).name}'", "it runs under a condition, the loop does not")


def without_nest(function: TensorFunction, place: Place) -> TensorFunction:
    """Return the function without the block at ``place`` and the loops around it alone."""
    return with_body(function, put(nest_of(place), None))


def into_loop(function: TensorFunction, loop: Var, stmt: Stmt, *, first: bool) -> TensorFunction:
    """Return the function with ``stmt`` at the beginning (or the end) of the body of ``loop``."""
    place = loop_place(function, loop)
    node = loop_at(place)
    body = seq(stmt, node.body) if first else seq(node.body, stmt)
    return with_body(function, put(place, replace(node, body=body)))
