"""Whether statements write all that they read of a buffer, so that nothing comes from before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tondo.arith import Analyzer, project
from tondo.ir import Binary, Buffer, Const, Expr, For, If, Load, Node, Stmt, Store, Var, walk

Ranges = Mapping[Var, tuple[Expr, Expr]]


def covers(stmts: Sequence[Stmt], buffer: Buffer, analyzer: Analyzer) -> bool:
    """Whether the first of ``stmts`` is a nest that stores every element of ``buffer`` that they all touch.

    Args:
        stmts: statements one after the other, before vectorisation.
        buffer: what they touch.
        analyzer: what is known around them.

    Returns:
        False also where it cannot be proven: for a condition, or for indices with gaps.
    """
    first = _store_of(stmts[0], buffer)
    if first is None:
        return False
    store, loops = first
    if not all(_dense(index, loops, analyzer) for index in store.indices) or not _independent(store.indices, loops):
        return False
    written = [project(index, loops, analyzer) for index in store.indices]
    for indices, inside in _accesses(stmts, buffer, {}):
        for ends, index in zip(written, indices, strict=True):
            own = project(index, inside, analyzer)
            if ends is None or own is None or not analyzer.prove(ends[0] <= own[0]):
                return False
            if not analyzer.prove(own[1] <= ends[1]):
                return False
    return True


def _store_of(stmt: Stmt, buffer: Buffer) -> tuple[Store, Ranges] | None:
    """Return the store that ``stmt``, a nest of loops, begins with; None if it reads ``buffer`` before."""
    ranges: dict[Var, tuple[Expr, Expr]] = {}
    while not isinstance(stmt, Store):
        if isinstance(stmt, For):
            ranges[stmt.var] = (stmt.begin, stmt.extent)
            stmt = stmt.body
            continue
        inside = stmt.children()
        if isinstance(stmt, If) or not inside or not isinstance(inside[0], Stmt):
            return None
        stmt = inside[0]
    whole = stmt.buffer == buffer and stmt.predicate is None and not _reads(stmt.value, buffer)
    return (stmt, ranges) if whole else None


def _reads(node: Node, buffer: Buffer) -> bool:
    return any(isinstance(item, Load) and item.buffer == buffer for item in walk(node))


def _accesses(nodes: Sequence[Node], buffer: Buffer, inside: Ranges) -> list[tuple[tuple[Expr, ...], Ranges]]:
    found: list[tuple[tuple[Expr, ...], Ranges]] = []
    for node in nodes:
        if isinstance(node, (Load, Store)) and node.buffer == buffer:
            found.append((node.indices, inside))
        deeper = {**inside, node.var: (node.begin, node.extent)} if isinstance(node, For) else inside
        found.extend(_accesses([child for child in node.children() if not isinstance(child, Buffer)], buffer, deeper))
    return found


def _dense(index: Expr, loops: Ranges, analyzer: Analyzer) -> bool:
    """Whether ``index`` takes every value between its ends: no step is larger than what smaller ones have filled."""
    form = analyzer.affine(index)
    if form is None:
        return False
    steps: list[tuple[int, int]] = []
    for atom, factor in form.terms:
        if not any(item in loops for item in walk(atom)):
            continue
        step = _step(atom, loops)
        ends = project(atom, loops, analyzer)
        width = None if ends is None else analyzer.simplify(ends[1] - ends[0])
        if step is None or factor < 0 or not isinstance(width, Const):
            return False
        steps.append((factor * step, factor * int(width.value)))
    filled = 0
    for step, width in sorted(steps):
        if step > filled + 1:
            return False
        filled += width
    return True


def _step(atom: Expr, loops: Ranges) -> int | None:
    """Return the largest step of a variable, or of ``min(variable * step, constant)``; None for anything else."""
    if isinstance(atom, Var):
        return 1
    if not (isinstance(atom, Binary) and atom.op == "min"):
        return None
    own, other = (atom.a, atom.b) if isinstance(atom.b, Const) else (atom.b, atom.a)
    if not isinstance(other, Const):
        return None
    form = Analyzer().affine(own)
    if form is None or len(form.terms) != 1:
        return None
    var, step = form.terms[0]
    return step if isinstance(var, Var) and var in loops and step > 0 else None


def _independent(indices: Sequence[Expr], loops: Ranges) -> bool:
    """Whether every loop moves at most one index, and no loop's range depends on another loop."""
    used = [var for index in indices for var in {item for item in walk(index) if isinstance(item, Var)} & set(loops)]
    if len(set(used)) != len(used):
        return False
    return not any(item in loops for begin, extent in loops.values() for end in (begin, extent) for item in walk(end))
