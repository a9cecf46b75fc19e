"""Which loops of a nest may run as axes of arrays.

A loop may when its iterations touch disjoint elements of every buffer that the nest writes: for each such buffer,
some dimensions are indexed by the same expressions in every load and store, and these expressions tell the
iterations apart (checked on the actual values by the runner). The other loops of the nest run one after the other.
A nest that only combines a value into one element (``s[i] = s[i] + e``) is an :class:`Update`; there the other loops
become axes too, along which the combination is carried out in order. The lanes of a vector store are one more loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tondo.interp.scalarize import lane_loop
from tondo.ir import (
    Binary,
    Block,
    Buffer,
    Evaluate,
    Expr,
    For,
    If,
    Intrin,
    Let,
    Load,
    Seq,
    Stmt,
    Store,
    Var,
    substitute,
    walk,
)

COMBINERS = frozenset({"add", "mul", "min", "max", "and", "or"})


@dataclass(frozen=True, slots=True)
class Update:
    """``store.buffer[indices] = op(itself, rest)`` inside ``chain``, from the outermost condition to the block.

    ``swapped`` tells that the element is the right operand.
    """

    chain: tuple[If | Let | Block, ...]
    store: Store
    op: str
    rest: Expr
    swapped: bool
    init: Store | None


@dataclass(frozen=True, slots=True)
class Nest:
    """A chain of loops with uniform bounds around ``body``.

    Attributes:
        loops: outermost first.
        body: what they repeat.
        lanes: positions of the loops that may become axes.
        keys: per written buffer the index expressions, by dimension, that must tell the lanes apart.
        touched: names of all buffers that the body accesses.
        update: the combination that the nest is, if it is one.
    """

    loops: tuple[For, ...]
    body: Stmt
    lanes: tuple[int, ...]
    keys: Mapping[str, Mapping[int, Expr]]
    touched: frozenset[str]
    update: Update | None

    @property
    def distinct(self) -> bool:
        """Whether the keys tell the lanes apart by form: every lane variable is an index of each buffer."""
        names = {self.loops[position].var for position in self.lanes}
        return all(names <= set(key.values()) for key in self.keys.values())


class _RefusedError(Exception):
    pass


def plan(stmt: For) -> Nest | None:
    """Return how the nest that ``stmt`` begins can run with array axes; None if it cannot."""
    loops, body = _loops(stmt)
    vector = lane_loop(body) if isinstance(body, Store) else None
    if vector is not None:
        loops, body = (*loops, vector), vector.body
    try:
        touched = list(_accesses(body, {}))
    except _RefusedError:
        return None
    written = {buffer.name for buffer, _, stored in touched if stored}
    if not written:
        return None
    inner = {item.var for item in walk(body) if isinstance(item, For)}
    lanes = {loop.var for loop in loops}
    keys: dict[str, dict[int, Expr]] = {}
    while True:
        blocked = inner | {loop.var for loop in loops if loop.var not in lanes}
        keys = {name: _key(name, touched, blocked) for name in written}
        kept = {var for var in lanes if all(_mentioned(var, key) for key in keys.values())}
        if kept == lanes:
            break
        lanes = kept
    update = _update(body, touched, keys)
    if (not lanes and update is None) or (vector is not None and vector.var not in lanes):
        return None
    positions = tuple(index for index, loop in enumerate(loops) if loop.var in lanes)
    return Nest(loops, body, positions, keys, frozenset(buffer.name for buffer, _, _ in touched), update)


def _loops(stmt: For) -> tuple[tuple[For, ...], Stmt]:
    loops, body = [stmt], stmt.body
    names = {stmt.var}
    while isinstance(body, For) and not any(item in names for part in (body.begin, body.extent) for item in walk(part)):
        loops.append(body)
        names.add(body.var)
        body = body.body
    return tuple(loops), body


_Access = tuple[Buffer, tuple[Expr, ...], bool]


def _accesses(stmt: Stmt, known: dict[Var, Expr]) -> Iterator[_Access]:
    """Yield what ``stmt`` touches, its lets and block variables written out; refuse what cannot run in lanes."""
    match stmt:
        case Store():
            yield stmt.buffer, tuple(_inlined(index, known) for index in stmt.indices), True
            yield from _read((*stmt.indices, stmt.value, stmt.predicate), known)
        case Seq():
            for item in stmt.stmts:
                yield from _accesses(item, known)
        case If():
            yield from _read((stmt.condition,), known)
            yield from _accesses(stmt.then, known)
            if stmt.orelse is not None:
                yield from _accesses(stmt.orelse, known)
        case Let():
            yield from _read((stmt.value,), known)
            yield from _accesses(stmt.body, {**known, stmt.var: _inlined(stmt.value, known)})
        case For():
            yield from _read((stmt.begin, stmt.extent), known)
            yield from _accesses(stmt.body, known)
        case Block():
            yield from _read((*(it.binding for it in stmt.iters), stmt.predicate), known)
            inner = {**known, **{it.var: _inlined(it.binding, known) for it in stmt.iters}}
            for part in (stmt.init, stmt.body):
                if part is not None:
                    yield from _accesses(part, inner)
        case Evaluate(value=Intrin(name="prefetch")):
            return
        case _:
            raise _RefusedError


def _read(parts: Iterable[Expr | None], known: dict[Var, Expr]) -> Iterator[_Access]:
    for part in parts:
        if part is not None:
            yield from _loads(_inlined(part, known))


def _inlined(expr: Expr, known: dict[Var, Expr]) -> Expr:
    return substitute(expr, known) if known else expr


def _loads(expr: Expr) -> Iterator[_Access]:
    if expr.dtype.lanes > 1:
        raise _RefusedError
    if isinstance(expr, Load):
        yield expr.buffer, expr.indices, False
        parts: tuple[Expr | None, ...] = (*expr.indices, expr.predicate)
    else:
        parts = tuple(child for child in expr.children() if isinstance(child, Expr))
    for part in parts:
        if part is not None:
            yield from _loads(part)


def _key(name: str, touched: list[_Access], blocked: set[Var]) -> dict[int, Expr]:
    """Return the dimensions of a written buffer that every access indexes alike, without ``blocked`` or loads."""
    accesses = [indices for buffer, indices, _ in touched if buffer.name == name]
    first = accesses[0]
    result: dict[int, Expr] = {}
    for dim, expr in enumerate(first):
        if any(len(other) <= dim or other[dim] != expr for other in accesses):
            continue
        if not any(isinstance(item, Load) or item in blocked for item in walk(expr)):
            result[dim] = expr
    return result


def _mentioned(var: Var, key: Mapping[int, Expr]) -> bool:
    return any(item == var for expr in key.values() for item in walk(expr))


def _update(body: Stmt, touched: list[_Access], keys: Mapping[str, Mapping[int, Expr]]) -> Update | None:
    chain: list[If | Let | Block] = []
    init: Store | None = None
    stmt = body
    while not isinstance(stmt, Store):
        if isinstance(stmt, Block) and init is None and (stmt.init is None or isinstance(stmt.init, Store)):
            init = stmt.init
            chain.append(stmt)
            stmt = stmt.body
        elif isinstance(stmt, If) and stmt.orelse is None and init is None:
            chain.append(stmt)
            stmt = stmt.then
        elif isinstance(stmt, Let) and init is None:
            chain.append(stmt)
            stmt = stmt.body
        else:
            return None
    if stmt.predicate is not None or len(keys[stmt.buffer.name]) != stmt.buffer.rank:
        return None
    if init is not None and (init.buffer != stmt.buffer or init.indices != stmt.indices or init.predicate is not None):
        return None
    loads = sum(1 for buffer, _, stored in touched if buffer.name == stmt.buffer.name and not stored)
    value = stmt.value
    if loads != 1 or not isinstance(value, Binary) or value.op not in COMBINERS:
        return None
    own = Load(stmt.buffer, stmt.indices)
    if value.a == own:
        return Update(tuple(chain), stmt, value.op, value.b, False, init)
    return Update(tuple(chain), stmt, value.op, value.a, True, init) if value.b == own else None
