"""Plain loops become blocks: what a function computes is said to the compiler without its author spelling it out.

Before::

    for i in range(n):
        for j in range(m):
            y[i, j] = 0.0
            for k in range(64):
                y[i, j] += a[i, k] * b[k, j]
            z[i, j] = max(y[i, j], 0.0)

After::

    for i in serial(n):
        for j in serial(m):
            for k in serial(64):
                with block("y"):
                    vi = spatial(n, i)
                    vj = spatial(m, j)
                    vk = reduction(64, k)
                    ...
    for i_1 in serial(n):
        for j_1 in serial(m):
            with block("z"):
                ...

A nest is taken apart where each statement works on its own element: the loops around index, in the same places, every
buffer that one statement writes and another reads. Loops whose variable does not occur in the element written are a
reduction; it must update that element and start with a plain value. A nest of any other form stays as it is, and so
does a function in which a block or a loop that is not serial stands: its author decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tondo.ir import (
    Allocate,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    IterVar,
    Load,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    add,
    definitions,
    is_const,
    nest,
    seq,
    substitute,
    walk,
)

_Access = tuple[Buffer, tuple[Expr, ...]]


def with_blocks(function: TensorFunction) -> TensorFunction:
    """Return ``function`` with a block in each nest whose form says what is computed; itself if nothing changes."""
    for item in walk(function.body):
        if isinstance(item, Block) or (isinstance(item, For) and item.kind != "serial"):
            return function
    variables, local, _ = definitions(function.body)
    taken = {item.name for item in (*variables, *local, *function.params)}
    return replace(function, body=_Blocks(taken).suite(function.body))


class _Blocks:
    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._blocks: set[str] = set()

    def suite(self, stmt: Stmt) -> Stmt:
        match stmt:
            case Seq():
                return seq(*(self.suite(part) for part in stmt.stmts))
            case Allocate():
                return replace(stmt, body=self.suite(stmt.body))
            case For() | Store():
                made = self._nest(stmt, ())
                return stmt if made is None else seq(*made)
            case _:
                return stmt

    def _nest(self, stmt: Stmt, loops: tuple[For, ...]) -> list[Stmt] | None:
        """Return the nests of blocks that ``stmt`` inside ``loops`` is, None if it is of another form."""
        while isinstance(stmt, For):
            if _free(stmt.extent) & {loop.var for loop in loops} or stmt.attrs:
                return None
            loops, stmt = (*loops, stmt), stmt.body
        if isinstance(stmt, Store):
            block = self._block(stmt, loops, None)
            return None if block is None else [block]
        if not isinstance(stmt, Seq) or not stmt.stmts or not _apart(stmt.stmts, [loop.var for loop in loops]):
            return None
        made: list[Stmt] = []
        parts = list(stmt.stmts)
        while parts:
            reduced = self._reduction(parts, loops)
            one = self._nest(parts[0], loops) if reduced is None else [reduced]
            if one is None:
                return None
            made.extend(one)
            del parts[: 1 if reduced is None else 2]
        return made

    def _reduction(self, parts: Sequence[Stmt], loops: tuple[For, ...]) -> Stmt | None:
        """Return the block of a store of a start followed by loops that update what it stored."""
        if len(parts) < 2 or not isinstance(parts[0], Store):
            return None
        start, inner, own = parts[0], parts[1], list[For]()
        while isinstance(inner, For):
            if _free(inner.extent) & {loop.var for loop in (*loops, *own)} or inner.attrs:
                return None
            own.append(inner)
            inner = inner.body
        same = isinstance(inner, Store) and (inner.buffer, inner.indices) == (start.buffer, start.indices)
        if not same or not own or any(isinstance(item, Load) for item in walk(start.value)):
            return None
        assert isinstance(inner, Store)
        return self._block(inner, (*loops, *own), start)

    def _block(self, store: Store, loops: tuple[For, ...], start: Store | None) -> Stmt | None:
        if store.predicate is not None or (start is not None and start.predicate is not None):
            return None
        written = {item for index in store.indices for item in walk(index) if isinstance(item, Var)}
        own = Load(store.buffer, store.indices)
        read = [item for item in walk(store.value) if isinstance(item, Load) and item.buffer == store.buffer]
        if any(item != own for item in read):
            return None  # an element that another round stores
        updates = bool(read)
        reduced = [loop for loop in loops if loop.var not in written]
        if updates != (start is not None) or bool(reduced) != (start is not None):
            return None
        plain = [index for index in store.indices if not isinstance(index, Const)]
        spatial = [loop.var for loop in loops if loop.var in written]
        if len(plain) != len(spatial) or any(not isinstance(index, Var) for index in plain):
            return None
        iters: list[IterVar] = []
        values: dict[Var, Expr] = {}
        for loop in (*(loop for loop in loops if loop.var in written), *reduced):
            var = Var(self._fresh(f"v{loop.var.name}"), loop.var.dtype)
            bound = Var(self._fresh_loop(loop.var.name), loop.var.dtype)
            begins = is_const(loop.begin, 0)
            values[loop.var] = var if begins else add(var, loop.begin)
            if not begins and loop.var in written:
                return None
            iters.append(IterVar(var, loop.extent, bound, "spatial" if loop.var in written else "reduction"))
        body = substitute(store, values)
        init = None if start is None else substitute(start, values)
        return nest(self._block_name(store.buffer.name), tuple(iters), body, init)

    def _fresh_loop(self, wish: str) -> str:
        """Return the loop's own name once, then numbered ones."""
        mark = f"{wish} used"
        if mark not in self._taken:
            self._taken.add(mark)
            return wish
        return self._fresh(wish)

    def _fresh(self, wish: str) -> str:
        return _numbered(wish, self._taken)

    def _block_name(self, wish: str) -> str:
        return _numbered(wish, self._blocks)


def _numbered(wish: str, taken: set[str]) -> str:
    name, number = wish, 1
    while name in taken:
        name, number = f"{wish}_{number}", number + 1
    taken.add(name)
    return name


def _apart(parts: Sequence[Stmt], loops: Sequence[Var]) -> bool:
    """Whether each statement of a suite sees of the others only what they do in the same round of ``loops``."""
    for position, part in enumerate(parts):
        others = [access for place, other in enumerate(parts) if place != position for access in _accesses(other)]
        for buffer, indices in _stores(part):
            places = [indices.index(var) if var in indices else None for var in loops]
            if None in places and any(item == buffer for item, _ in others):
                return False
            for item, theirs in others:
                if item == buffer and any(theirs[place] != indices[place] for place in places if place is not None):
                    return False
    return True


def _stores(stmt: Stmt) -> Iterator[_Access]:
    return ((item.buffer, item.indices) for item in walk(stmt) if isinstance(item, Store))


def _accesses(stmt: Stmt) -> Iterator[_Access]:
    return ((item.buffer, item.indices) for item in walk(stmt) if isinstance(item, Load | Store))


def _free(expr: Expr) -> set[Var]:
    return {item for item in walk(expr) if isinstance(item, Var)}
