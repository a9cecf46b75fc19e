"""``tensor.compact_buffers``: intermediate buffers move to the loop that uses them and shrink to what it touches.

Before::

    allocate T[64, 64]
    for i:
        for j: T[i, j] = A[i, j] * 2
        for j: B[i, j] = T[i, j] + 1

After::

    for i:
        allocate T[64] (local)
        for j: T[j] = A[i, j] * 2
        for j: B[i, j] = T[j] + 1

Statements one after the other of which each writes all that it reads get a buffer each. A buffer moves into a loop
when every iteration writes what it reads, and when what remains has a constant size that
fits the stack of a thread (``stack_bytes``); otherwise it stays outside, whole. A ``local`` buffer that has to stay
outside becomes a ``global`` one, shared by all threads: the parallel loops that use it become serial. A buffer whose
memory has another name as well, or that another function is given, stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from tondo.arith import Analyzer, project
from tondo.ir import (
    GLOBAL,
    LOCAL,
    Allocate,
    Binary,
    Broadcast,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Intrin,
    Invoke,
    Let,
    Load,
    Node,
    Ramp,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    maximum,
    minimum,
    rewrite,
    seq,
    substitute,
    walk,
)
from tondo_passes.tensor.coverage import covers
from tondo_passes.tensor.each import TensorPass
from tondo_passes.tensor.ranges import LoopRanges


@dataclass(frozen=True)
class CompactBuffers(TensorPass):
    """Sink and shrink allocations."""

    name: ClassVar[str] = "tensor.compact_buffers"
    stack_bytes: int = 64 * 1024

    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` with every allocation at its innermost place and of its smallest size."""
        body = self._place(function.body, LoopRanges.of(function))
        return _distinct(replace(function, body=body))

    def _place(self, stmt: Stmt, ranges: LoopRanges) -> Stmt:
        match stmt:
            case Allocate():
                inner = self._place(stmt.body, ranges)
                return self._sink(stmt.buffer, inner, ranges)
            case For():
                return replace(stmt, body=self._place(stmt.body, ranges.enter(stmt)))
            case Seq():
                return replace(stmt, stmts=tuple(self._place(item, ranges) for item in stmt.stmts))
            case If():
                orelse = None if stmt.orelse is None else self._place(stmt.orelse, ranges)
                return replace(stmt, then=self._place(stmt.then, ranges), orelse=orelse)
            case Let() | View():
                return replace(stmt, body=self._place(stmt.body, ranges))
            case _:
                return stmt

    def _sink(self, buffer: Buffer, body: Stmt, ranges: LoopRanges) -> Stmt:
        if not _touches(body, buffer):
            return body
        if _is_shared_memory(body, buffer):
            return Allocate(buffer, body)
        deeper = self._descend(buffer, body, ranges)
        if deeper is not None:
            return deeper
        placed = self._shrink(buffer, body, ranges)
        if placed is not None:
            return placed
        return _shared(buffer, body) if buffer.scope == LOCAL else Allocate(buffer, body)

    def _descend(self, buffer: Buffer, body: Stmt, ranges: LoopRanges) -> Stmt | None:
        """Return ``body`` with the allocation somewhere inside it, or None if it has to stay around ``body``."""
        match body:
            case For() if _written_first(body.body, buffer, body.var):
                inner = self._descend(buffer, body.body, ranges.enter(body)) or self._shrink(
                    buffer, body.body, ranges.enter(body)
                )
                return None if inner is None else replace(body, body=inner)
            case Seq():
                users = [i for i, item in enumerate(body.stmts) if _touches(item, buffer)]
                if len(users) != 1:
                    return self._apart(buffer, body.stmts, users, ranges)
                inner = self._descend(buffer, body.stmts[users[0]], ranges)
                if inner is None:
                    return None
                items = [inner if i == users[0] else item for i, item in enumerate(body.stmts)]
                return replace(body, stmts=tuple(items))
            case Allocate() | Let() | View():
                inner = self._descend(buffer, body.body, ranges)
                return None if inner is None else replace(body, body=inner)
            case If() if body.orelse is None and not _touches(body.condition, buffer):
                inner = self._descend(buffer, body.then, ranges)
                return None if inner is None else replace(body, then=inner)
            case _:
                return None

    def _apart(self, buffer: Buffer, stmts: tuple[Stmt, ...], users: list[int], ranges: LoopRanges) -> Stmt | None:
        """Return the statements with an allocation around each group of them that needs nothing of those before."""
        starts = [i for i in users if _first_access(stmts[i], buffer, None)]
        if len(starts) < 2 or starts[0] != users[0]:
            return None
        ends = [*starts[1:], users[-1] + 1]
        groups = [stmts[start:end] for start, end in zip(starts, ends, strict=True)]
        if not all(
            covers([item for item in group if _touches(item, buffer)], buffer, ranges.analyzer) for group in groups
        ):
            return None
        made: list[Stmt] = []
        for group in groups:
            body = seq(*group)
            placed = self._descend(buffer, body, ranges) or self._shrink(buffer, body, ranges)
            if placed is None:
                return None
            made.append(placed)
        return seq(*stmts[: starts[0]], *made, *stmts[users[-1] + 1 :])

    def _shrink(self, buffer: Buffer, body: Stmt, ranges: LoopRanges) -> Stmt | None:
        """Return the allocation of the touched region around ``body`` if that is small and constant, else None."""
        if buffer.scope not in {GLOBAL, LOCAL} or buffer.strides is not None:
            return None
        region = _touched(buffer, body, ranges)
        extents = [extent for _, extent in region]
        count = 1
        for extent in extents:
            if not isinstance(extent, Const):
                return None
            count *= int(extent.value)
        if count * buffer.dtype.bytes > self.stack_bytes:
            return None
        small = replace(buffer, shape=tuple(extents), scope=LOCAL)
        lows = [low for low, _ in region]
        analyzer = ranges.analyzer

        def shift(indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
            return tuple(_minus(index, low, analyzer) for index, low in zip(indices, lows, strict=True))

        def change(value: Node) -> Node:
            if isinstance(value, Load) and value.buffer == buffer:
                return Load(small, shift(value.indices), value.predicate, value.span)
            if isinstance(value, Store) and value.buffer == buffer:
                return Store(small, shift(value.indices), value.value, value.predicate, value.span)
            return value

        changed = rewrite(body, change)
        assert isinstance(changed, Stmt)
        return Allocate(small, changed)


def _distinct(function: TensorFunction) -> TensorFunction:
    """Return ``function`` with a name of its own for every allocation."""
    allocated = [item.buffer.name for item in walk(function.body) if isinstance(item, Allocate)]
    if len(set(allocated)) == len(allocated):
        return function
    taken = {param.name for param in function.params} | set(allocated)
    seen: set[str] = set()

    def change(value: Node) -> Node:
        if not isinstance(value, Allocate):
            return value
        name, count = value.buffer.name, 1
        if name not in seen:
            seen.add(name)
            return value
        while name in taken:
            name, count = f"{value.buffer.name}_{count}", count + 1
        taken.add(name)
        own = replace(value.buffer, name=name)
        return Allocate(own, substitute(value.body, None, {value.buffer: own}))

    body = rewrite(function.body, change)
    assert isinstance(body, Stmt)
    return replace(function, body=body)


def _shared(buffer: Buffer, body: Stmt) -> Stmt:
    """Return the allocation of a local buffer as memory of the whole function."""
    whole = replace(buffer, scope=GLOBAL)

    def change(value: Node) -> Node:
        if isinstance(value, (Load, Store)) and value.buffer == buffer:
            return replace(value, buffer=whole)
        if isinstance(value, For) and value.kind == "parallel" and _touches(value, whole):
            return replace(value, kind="serial", attrs=value.attrs.without("grain"))
        return value

    changed = rewrite(body, change)
    assert isinstance(changed, Stmt)
    return Allocate(whole, changed)


def _touches(node: Node, buffer: Buffer) -> bool:
    return any(isinstance(item, (Load, Store)) and item.buffer == buffer for item in walk(node))


def _is_shared_memory(body: Stmt, buffer: Buffer) -> bool:
    """Whether ``body`` uses the memory of ``buffer`` as a whole: under another name, or in another function."""
    return any(
        (isinstance(item, View) and item.base == buffer) or (isinstance(item, Invoke) and buffer in item.args)
        for item in walk(body)
    )


def _written_first(body: Stmt, buffer: Buffer, var: Var) -> bool:
    """Whether the first access to ``buffer`` in ``body`` is a store under no condition on ``var``."""
    first = _first_access(body, buffer, var)
    return first is True


def _first_access(stmt: Stmt, buffer: Buffer, var: Var | None) -> bool | None:
    """Return True if the first access is an unconditional store, False if not, None if there is no access."""
    match stmt:
        case Seq():
            for item in stmt.stmts:
                found = _first_access(item, buffer, var)
                if found is not None:
                    return found
            return None
        case For() | Let() | Allocate() | View():
            return _first_access(stmt.body, buffer, var)
        case If():
            if any(item == var for item in walk(stmt.condition)):
                return False if _touches(stmt, buffer) else None
            if _touches(stmt.condition, buffer):
                return False
            return _first_access(stmt.then, buffer, var)
        case Store():
            if _touches(stmt.value, buffer):
                return False
            return True if stmt.buffer == buffer else None
        case _:
            return False if _touches(stmt, buffer) else None


def _touched(buffer: Buffer, body: Stmt, ranges: LoopRanges) -> list[tuple[Expr, Expr]]:
    """Return (low, extent) per dimension of what ``body`` touches of ``buffer``, relative to the loops outside."""
    lows: list[list[Expr]] = [[] for _ in buffer.shape]
    highs: list[list[Expr]] = [[] for _ in buffer.shape]
    analyzer = ranges.analyzer
    known: dict[tuple[Expr, tuple[For, ...]], tuple[Expr | None, Expr | None]] = {}
    for indices, inside in dict.fromkeys(_accesses(buffer, body, ())):
        for dim, index in enumerate(indices):
            key = (index, inside)
            if key not in known:
                known[key] = _reach(index, inside, analyzer)
            low, high = known[key]
            lows[dim].append(Const(0) if low is None else low)
            highs[dim].append(buffer.shape[dim] - 1 if high is None else high)
    return [_hull(analyzer, low, high, extent) for low, high, extent in zip(lows, highs, buffer.shape, strict=True)]


def _reach(index: Expr, inside: tuple[For, ...], analyzer: Analyzer) -> tuple[Expr | None, Expr | None]:
    """Return the least and the greatest value of ``index`` within the loops ``inside``; None where unknown."""
    variables = {loop.var: (loop.begin, loop.extent) for loop in inside}
    first, last = _ends(index)
    lowest = None if first is None else project(first, variables, analyzer)
    highest = None if last is None else project(last, variables, analyzer)
    return None if lowest is None else lowest[0], None if highest is None else highest[1]


def _ends(index: Expr) -> tuple[Expr | None, Expr | None]:
    """Return the least and the greatest index of an access, which may be a vector; None if unknown."""
    if index.dtype.lanes == 1:
        return index, index
    if isinstance(index, Broadcast):
        return index.value, index.value
    if isinstance(index, Ramp) and isinstance(index.stride, Const) and index.stride.value >= 0:
        return index.base, index.base + int(index.stride.value) * (index.lanes - 1)
    return None, None


def _minus(index: Expr, low: Expr, analyzer: Analyzer) -> Expr:
    if index.dtype.lanes == 1:
        return analyzer.simplify(index - low)
    if isinstance(index, Ramp):
        return Ramp(analyzer.simplify(index.base - low), index.stride, index.lanes)
    return index if low == Const(0) else Binary("sub", index, Broadcast(low, index.dtype.lanes))


def _hull(analyzer: Analyzer, lows: list[Expr], highs: list[Expr], full: Expr) -> tuple[Expr, Expr]:
    low, high = lows[0], highs[0]
    for other in dict.fromkeys(lows[1:]):
        low = analyzer.simplify(minimum(low, other))
    for other in dict.fromkeys(highs[1:]):
        high = analyzer.simplify(maximum(high, other))
    extent = analyzer.simplify(high - low + 1)
    if not isinstance(extent, Const):
        bound = analyzer.bounds(extent).high
        extent = extent if bound is None else Const(bound)
    if isinstance(full, Const) and (not isinstance(extent, Const) or extent.value >= full.value):
        return Const(0), full
    return low, extent


def _accesses(buffer: Buffer, node: Node, inside: tuple[For, ...]) -> list[tuple[tuple[Expr, ...], tuple[For, ...]]]:
    found: list[tuple[tuple[Expr, ...], tuple[For, ...]]] = []
    if isinstance(node, Intrin) and node.name == "address":
        # What lies behind a pointer is not seen: the buffer stays whole.
        ends = (tuple(Const(0) for _ in buffer.shape), tuple(extent - 1 for extent in buffer.shape))
        found.extend((end, ()) for end in ends if _touches(node, buffer))
        return found
    if isinstance(node, (Load, Store)) and node.buffer == buffer:
        found.append((node.indices, inside))
    deeper = (*inside, node) if isinstance(node, For) else inside
    for child in node.children():
        if not isinstance(child, Buffer):
            found.extend(_accesses(buffer, child, deeper))
    return found
