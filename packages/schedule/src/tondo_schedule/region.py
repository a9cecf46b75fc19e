"""Rectangular regions that a loop touches: per dimension a lowest index and an extent, free of the loops inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.arith import Analyzer, project
from tondo.ir import (
    Block,
    Buffer,
    Const,
    Expr,
    For,
    Load,
    Node,
    Store,
    TensorFunction,
    Var,
    maximum,
    minimum,
    substitute,
    walk,
)
from tondo_schedule.tree import Place, analyzer_for, is_nest, places


@dataclass(frozen=True, slots=True)
class Span:
    """The indices ``low .. low + extent - 1``; ``extent`` is an upper bound if the true one varies."""

    low: Expr
    extent: Expr


def reads_below(function: TensorFunction, loop: Place, buffer: Buffer) -> tuple[Span, ...] | None:
    """Return what the blocks inside ``loop`` read of ``buffer``; None if nothing."""
    return _touched(function, loop, buffer, Load)


def writes_below(function: TensorFunction, loop: Place, buffer: Buffer) -> tuple[Span, ...] | None:
    """Return what the blocks inside ``loop`` write of ``buffer``; None if nothing."""
    return _touched(function, loop, buffer, Store)


def _touched(
    function: TensorFunction, loop: Place, buffer: Buffer, kind: type[Load | Store]
) -> tuple[Span, ...] | None:
    assert isinstance(loop.node, For)
    known = analyzer_for(function, loop).with_range(loop.node.var, loop.node.begin, loop.node.extent)
    spans: list[tuple[list[Expr], list[Expr]]] = []
    for place in places(loop.node.body):
        if not isinstance(place.node, Block):
            continue
        inside = {item.var: (item.begin, item.extent) for item in place.loops}
        if is_nest(place.node):
            spans.extend(_of_regions(place.node, buffer, kind, inside, known))
            continue
        for indices in _indices(place.node, buffer, kind):
            spans.append(_span(buffer, indices, inside, known))
    if not spans:
        return None
    return tuple(
        _hull(known, [low[d] for low, _ in spans], [high[d] for _, high in spans], buffer.shape[d])
        for d in range(buffer.rank)
    )


def _indices(block: Block, buffer: Buffer, kind: type[Load | Store]) -> Sequence[tuple[Expr, ...]]:
    values: dict[Var, Expr] = {it.var: it.binding for it in block.iters}
    nodes: list[Node] = [block.body] if block.init is None else [block.body, block.init]
    found: dict[tuple[Expr, ...], None] = {}
    for root in nodes:
        for item in walk(root):
            if isinstance(item, kind) and item.buffer == buffer:
                found[tuple(substitute(index, values) for index in item.indices)] = None
    return tuple(found)


def _of_regions(
    block: Block, buffer: Buffer, kind: type[Load | Store], inside: dict[Var, tuple[Expr, Expr]], known: Analyzer
) -> list[tuple[list[Expr], list[Expr]]]:
    """Return the spans of a block that is a nest; what it updates is among its writes alone."""
    values: dict[Var, Expr] = {it.var: it.binding for it in block.iters}
    updated = any(isinstance(item, Load) and item.buffer == buffer for item in walk(block.body))
    regions = (*block.reads, *(block.writes if updated else ())) if kind is Load else block.writes
    spans: list[tuple[list[Expr], list[Expr]]] = []
    for region in regions:
        if region.buffer == buffer:
            first = tuple(substitute(part.begin, values) for part in region.ranges)
            last = tuple(substitute(part.begin + part.extent - 1, values) for part in region.ranges)
            spans.append((_span(buffer, first, inside, known)[0], _span(buffer, last, inside, known)[1]))
    return spans


def _span(
    buffer: Buffer, indices: tuple[Expr, ...], inside: dict[Var, tuple[Expr, Expr]], known: Analyzer
) -> tuple[list[Expr], list[Expr]]:
    lows: list[Expr] = []
    highs: list[Expr] = []
    for index, full in zip(indices, buffer.shape, strict=True):
        limits = project(index, dict(inside), known)
        low, high = limits if limits is not None else (Const(0), full - 1)
        lows.append(low)
        highs.append(high)
    return lows, highs


def _hull(known: Analyzer, lows: list[Expr], highs: list[Expr], full: Expr) -> Span:
    low, high = lows[0], highs[0]
    for other in lows[1:]:
        low = known.simplify(minimum(low, other))
    for other in highs[1:]:
        high = known.simplify(maximum(high, other))
    extent = known.simplify(high - low + 1)
    if not isinstance(extent, Const):
        bound = known.bounds(extent).high
        if bound is not None and not (isinstance(full, Const) and bound > full.value):
            extent = Const(bound)
        elif bound is None and not known.prove(extent <= full):
            return Span(Const(0), full)
    if known.prove(extent >= full):
        return Span(Const(0), full)
    return Span(low, extent)
