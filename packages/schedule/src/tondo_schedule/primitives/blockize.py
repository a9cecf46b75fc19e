"""``blockize``: a nest of loops around one block becomes a block of its own, which is iterated by the loops outside.

Before::

    for i_0 in range(4):
        for i_1 in range(8):
            B[i_0 * 8 + i_1] = A[i_0 * 8 + i_1] * 2

After ``blockize(i_1)``::

    for i_0 in range(4):
        with block("B_o", vB0_o=i_0):
            for i_1 in range(8):
                B[vB0_o * 8 + i_1] = A[vB0_o * 8 + i_1] * 2

The outer block counts tiles where the inner extent divides the axis. Where tiles may overlap (a shifted tail) it counts
the places at which a tile can begin. To a schedule a block is a leaf: its loops are not reached any more. Refused if
the nest holds more than one block, if a binding is not affine in the loops of the nest, if a condition depends on them,
if a reduction is cut at a place that is not a multiple of the tile, or if tiles in the nest overlap under a reduction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tondo.arith import Affine, Analyzer, project
from tondo.ir import (
    Block,
    Buffer,
    Const,
    Expr,
    For,
    IterVar,
    Load,
    Range,
    Region,
    Stmt,
    Store,
    TensorFunction,
    Var,
    add,
    floordiv,
    mul,
    point_regions,
    substitute,
    walk,
)
from tondo_schedule.primitives.split import OVERLAP
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import Names, analyzer_for, loop_at, loop_place, put, uses, with_body


def apply(function: TensorFunction, loop: Var) -> tuple[TensorFunction, str]:
    """Return the function and the name of the new block, which takes the place of ``loop``.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = loop_place(function, loop, "blockize")
    loops, inner = _nest(loop_at(place), loop)
    subject = f"loop '{loop.name}'"
    variables = frozenset(item.var for item in loops)
    if inner.predicate is not None and any(uses(inner.predicate, var) for var in variables):
        refuse("blockize", subject, f"the condition of block '{inner.name}' depends on it", help="pad the axis first")
    overlapping = [item for item in loops if item.attrs.get(OVERLAP)]
    if overlapping and inner.init is not None:
        refuse("blockize", subject, f"the tiles of loop '{overlapping[0].var.name}' overlap and would add twice")
    known = analyzer_for(function, place)
    names = Names(function)
    iters, bindings = _iters(inner, loops, known, names, subject)
    inside = replace(inner, iters=bindings, init=None, predicate=None)
    body = _around(inside, loops)
    init = None if inner.init is None else _init(inner, bindings, loops, names)
    regions = _regions(function, body, iters, loops, inside)
    name = names(f"{inner.name}_o")
    made = Block(name, iters, *regions, body, init, inner.predicate)
    return with_body(function, put(place, made)), name


def _nest(node: For, loop: Var) -> tuple[list[For], Block]:
    loops: list[For] = []
    stmt: Stmt = node
    while isinstance(stmt, For):
        loops.append(stmt)
        stmt = stmt.body
    if not isinstance(stmt, Block):
        refuse("blockize", f"loop '{loop.name}'", "it holds more than one block")
    return loops, stmt


@dataclass(frozen=True, slots=True)
class _Parts:
    """A binding as ``outer + inner``, where ``inner`` covers ``0 .. extent-1``."""

    outer: Expr
    inner: Expr
    extent: Expr


def _iters(
    block: Block, loops: list[For], known: Analyzer, names: Names, subject: str
) -> tuple[tuple[IterVar, ...], tuple[IterVar, ...]]:
    """Return the variables of the outer block, and those of the inner one with bindings over them."""
    outer: list[IterVar] = []
    inner: list[IterVar] = []
    for it in block.iters:
        parts = _parts(it, loops, known, subject)
        var = Var(names(f"{it.var.name}_o"), it.var.dtype)
        extent = known.simplify(it.extent)
        if (
            isinstance(parts.extent, Const)
            and known.divides(int(parts.extent.value), extent)
            and known.divides(int(parts.extent.value), parts.outer)
        ):
            step = parts.extent
            count = known.simplify(floordiv(extent, step))
            outer.append(IterVar(var, count, known.simplify(floordiv(parts.outer, step)), it.kind))
            begin: Expr = mul(var, step)
        elif parts.outer == Const(0) and known.prove(parts.extent.eq(extent)):
            outer.append(IterVar(var, Const(1), Const(0), it.kind))
            begin = mul(var, parts.extent)
        elif it.kind == "reduction":
            refuse("blockize", subject, f"it cuts the reduction over '{it.var.name}' at a place that is not a multiple")
        else:
            outer.append(IterVar(var, known.simplify(extent - parts.extent + 1), parts.outer, it.kind))
            begin = var
        inner.append(replace(it, binding=add(begin, parts.inner)))
    return tuple(outer), tuple(inner)


def _parts(it: IterVar, loops: list[For], known: Analyzer, subject: str) -> _Parts:
    variables = frozenset(item.var for item in loops)
    form = known.form(it.binding)
    outer: dict[Expr, int] = {}
    inner: dict[Expr, int] = {}
    for atom, step in form.terms:
        mine = isinstance(atom, Var) and atom in variables
        if not mine and any(uses(atom, var) for var in variables):
            refuse("blockize", subject, f"the binding of '{it.var.name}' is not affine in the loops of the nest")
        (inner if mine else outer)[atom] = step
    part = Affine.make(0, inner).to_expr()
    limits = _limits(part, loops, known)
    if limits is None or known.simplify(limits[0]) != Const(0):
        refuse("blockize", subject, f"the binding of '{it.var.name}' does not begin at zero in the nest")
    return _Parts(Affine.make(form.constant, outer).to_expr(), part, known.simplify(limits[1] + 1))


def _limits(index: Expr, loops: list[For], known: Analyzer) -> tuple[Expr, Expr] | None:
    """Return the least and the greatest value of ``index`` over ``loops``; None if unknown."""
    extents = {
        item.var: item.extent.value for item in loops if isinstance(item.extent, Const) and item.begin == Const(0)
    }
    form = known.form(index)
    outer: dict[Expr, int] = {}
    last = 0
    for atom, step in form.terms:
        if isinstance(atom, Var) and atom in extents and step > 0:
            last += step * (int(extents[atom]) - 1)
        elif any(uses(atom, item.var) for item in loops):
            return project(index, {item.var: (item.begin, item.extent) for item in loops}, known)
        else:
            outer[atom] = step
    return Affine.make(form.constant, outer).to_expr(), Affine.make(form.constant + last, outer).to_expr()


def _around(block: Stmt, loops: list[For]) -> Stmt:
    for item in reversed(loops):
        block = replace(item, body=block)
    return block


def _init(block: Block, bindings: tuple[IterVar, ...], loops: list[For], names: Names) -> Stmt:
    """Return the start of the reduction as a nest over the spatial loops."""
    assert block.init is not None
    spatial = tuple(it for it in bindings if it.kind == "spatial")
    copied = [item for item in loops if any(uses(it.binding, item.var) for it in spatial)]
    fresh: dict[Var, Expr] = {item.var: Var(names(f"{item.var.name}_init"), item.var.dtype) for item in copied}
    values: dict[Var, Expr] = {it.var: Var(names(f"{it.var.name}_init"), it.var.dtype) for it in spatial}
    iters = tuple(IterVar(_var(values[it.var]), it.extent, substitute(it.binding, fresh), it.kind) for it in spatial)
    body = substitute(block.init, values)
    stmt: Stmt = Block(names(f"{block.name}_init"), iters, *point_regions(body), body)
    for item in reversed(copied):
        stmt = For(_var(fresh[item.var]), item.begin, item.extent, stmt, item.kind, item.attrs)
    return stmt


def _var(value: Expr) -> Var:
    assert isinstance(value, Var)
    return value


def _regions(
    function: TensorFunction, body: Stmt, iters: tuple[IterVar, ...], loops: list[For], inner: Block
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """Return what ``body`` reads and writes, over the variables of the outer block."""
    known = analyzer_for(function)
    for it in iters:
        known = known.with_range(it.var, Const(0), it.extent)
    values: dict[Var, Expr] = {it.var: it.binding for it in inner.iters}
    reads: dict[Region, None] = {}
    writes: dict[Region, None] = {}
    regions: dict[tuple[Buffer, tuple[Expr, ...]], Region] = {}
    for item in walk(inner.body):
        if isinstance(item, (Load, Store)):
            place = item.buffer, item.indices
            if place not in regions:
                indices = tuple(substitute(index, values) for index in item.indices)
                regions[place] = Region(item.buffer, _hull(item.buffer, indices, loops, known))
            (writes if isinstance(item, Store) else reads)[regions[place]] = None
    return tuple(region for region in reads if region not in writes), tuple(writes)


def _hull(buffer: Buffer, indices: tuple[Expr, ...], loops: list[For], known: Analyzer) -> tuple[Range, ...]:
    ranges: list[Range] = []
    for index, full in zip(indices, buffer.shape, strict=True):
        limits = _limits(index, loops, known)
        low, high = limits if limits is not None else (Const(0), full - 1)
        ranges.append(Range(low, known.simplify(high - low + 1)))
    return tuple(ranges)
