"""Statements of tensor functions: loops, blocks, stores, and what the lower levels add."""

from __future__ import annotations

from dataclasses import field
from typing import Final, Literal

from tondo.diagnostics.span import Span
from tondo.ir.attrs import EMPTY, Attrs
from tondo.ir.buffer import Buffer, Region
from tondo.ir.expr import Expr, Var
from tondo.ir.node import Node, node

LoopKind = Literal["serial", "parallel", "vectorized", "unrolled"]
LOOP_KINDS: Final = frozenset(LoopKind.__args__)  # type: ignore[attr-defined]  # thread axes: "bind:<axis>"
IterKind = Literal["spatial", "reduction"]


class Stmt(Node):
    """Something that is executed."""

    __slots__ = ()


@node
class For(Stmt):
    """``for var in begin .. begin+extent-1: body``.

    ``kind`` is serial, parallel (iterations independent, any order, several threads), vectorized (one vector
    operation; constant extent), unrolled (constant extent) or ``bind:<axis>`` for the thread axis of a device.
    """

    var: Var
    begin: Expr
    extent: Expr
    body: Stmt
    kind: str = "serial"
    attrs: Attrs = EMPTY
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class IterVar(Node):
    """An iteration variable of a block: ``var`` runs over ``0 .. extent-1`` and equals ``binding`` outside."""

    var: Var
    extent: Expr
    binding: Expr
    kind: IterKind = "spatial"


@node
class Block(Stmt):
    """The unit of reasoning: what is computed for one value of the iteration variables.

    The body sees only iteration variables, dimensions and buffers, never the loops around. ``reads`` and
    ``writes`` name every buffer region that it touches. ``init`` runs before the body on the first step of the
    reduction variables. An instance whose ``predicate`` (over the loops around) is false does nothing.
    """

    name: str
    iters: tuple[IterVar, ...]
    reads: tuple[Region, ...]
    writes: tuple[Region, ...]
    body: Stmt
    init: Stmt | None = None
    predicate: Expr | None = None
    attrs: Attrs = EMPTY
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Store(Stmt):
    """``buffer[indices] = value``; lanes (or the whole store) with a false ``predicate`` write nothing."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr
    predicate: Expr | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class If(Stmt):
    """``if condition: then else: orelse``."""

    condition: Expr
    then: Stmt
    orelse: Stmt | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Let(Stmt):
    """``var = value`` in ``body``."""

    var: Var
    value: Expr
    body: Stmt
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Seq(Stmt):
    """The statements one after the other. A sequence inside a sequence is spliced in; see also :func:`seq`."""

    stmts: tuple[Stmt, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Splice nested sequences."""
        if any(isinstance(stmt, Seq) for stmt in self.stmts):
            flat = [part for stmt in self.stmts for part in (stmt.stmts if isinstance(stmt, Seq) else (stmt,))]
            object.__setattr__(self, "stmts", tuple(flat))


@node
class Allocate(Stmt):
    """``buffer`` exists, uninitialised, during ``body``."""

    buffer: Buffer
    body: Stmt
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class View(Stmt):
    """``buffer`` names the memory of ``base`` from byte ``offset`` on, during ``body``."""

    buffer: Buffer
    base: Buffer
    offset: Expr
    body: Stmt
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Reserve(Stmt):
    """``buffer`` names the memory number ``slot`` of the call during ``body``; the memory grows until it holds it.

    The contents of a slot last until the call of the entry function ends, also when the slot grows. So the same slot
    may be named again, as a larger buffer or as another one.
    """

    buffer: Buffer
    slot: Expr
    body: Stmt
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Evaluate(Stmt):
    """Evaluate an intrinsic for its effect (prefetch, fence, tile operations)."""

    value: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class While(Stmt):
    """``while condition: body``."""

    condition: Expr
    body: Stmt
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Invoke(Stmt):
    """Call a function with buffers and scalars: another tensor function of the module, or a registered foreign one.

    ``packed`` calls go through the function registry with tagged values; the others use the internal convention
    (a pointer per buffer, an int64 or double per scalar, in the order of the callee's parameters). ``attrs`` of a
    packed call follow its arguments as JSON text: ``attrs``, what the function is told by name, and ``results``, pairs
    of element type and rank of the results whose shapes it decides. Each of these has two arguments at the end: the
    number of the slot that it goes to and an int64 buffer for its shape.
    """

    callee: str
    args: tuple[Buffer | Expr, ...]
    packed: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)
    attrs: Attrs = EMPTY


@node
class Assert(Stmt):
    """Fail the call with ``message`` unless ``condition`` holds."""

    condition: Expr
    message: str
    span: Span | None = field(default=None, compare=False, repr=False)


def seq(*stmts: Stmt) -> Stmt:
    """Return the statements in sequence, flattened; a single one stays itself."""
    flat: list[Stmt] = []
    for stmt in stmts:
        if isinstance(stmt, Seq):
            flat.extend(stmt.stmts)
        else:
            flat.append(stmt)
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))
