"""Stages: the blocks of a tensor function in compute form (one loop nest each, in order) and what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tondo.ir import (
    Allocate,
    Binary,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    Intrin,
    IterVar,
    Load,
    Select,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Unary,
    Var,
    View,
    mul,
    walk,
)
from tondo.passes.library import placed
from tondo.support.memo import memo
from tondo_schedule.facts.access import Access, accesses
from tondo_schedule.facts.contraction import Contraction, contraction_of

if TYPE_CHECKING:
    from collections.abc import Sequence

StageKind = Literal["elementwise", "injective", "reduction", "contraction", "opaque"]
"""elementwise: every load is identity or broadcast; injective: computed from loads anywhere, written once per point;
reduction: accumulates over reduction axes; contraction: a sum of products; opaque: anything else."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One block in its loop nest, with its single store."""

    block: Block
    loops: tuple[For, ...]
    store: Store
    kind: StageKind
    reads: tuple[Access, ...]
    contraction: Contraction | None

    @property
    def output(self) -> Buffer:
        """The buffer that the stage writes."""
        return self.store.buffer

    @property
    def spatial(self) -> tuple[IterVar, ...]:
        """The spatial iteration variables."""
        return tuple(it for it in self.block.iters if it.kind == "spatial")

    @property
    def reduction(self) -> tuple[IterVar, ...]:
        """The reduction iteration variables."""
        return tuple(it for it in self.block.iters if it.kind == "reduction")

    @property
    def points(self) -> Expr:
        """Number of executions of the body."""
        count: Expr = Const(1)
        for it in self.block.iters:
            count = mul(count, it.extent)
        return count

    @property
    def operations(self) -> int:
        """Arithmetic operations of one execution (a multiply-add counts two, an intrinsic function ten)."""
        total = 0
        for item in walk(self.store.value):
            if isinstance(item, (Binary, Unary, Select)) and not item.dtype.is_bool:
                total += item.dtype.is_float
            elif isinstance(item, Intrin):
                total += 10
        return total

    def reads_of(self, buffer: Buffer) -> tuple[Access, ...]:
        """Return the loads of ``buffer``, the update of the output excepted."""
        return tuple(access for access in self.reads if access.buffer == buffer)


@memo
def stages_of(function: TensorFunction) -> tuple[Stage, ...] | None:
    """Return the stages of ``function``; None if it is not in compute form any more, or if a library runs it."""
    if placed(function):
        return None
    stages: list[Stage] = []
    for stmt in _top(function.body):
        stage = stage_of(stmt)
        if stage is None:
            return None
        stages.append(stage)
    return tuple(stages)


def consumers_of(stages: Sequence[Stage], buffer: Buffer) -> tuple[Stage, ...]:
    """Return the stages that read ``buffer``."""
    return tuple(stage for stage in stages if stage.output != buffer and stage.reads_of(buffer))


def _top(body: Stmt) -> Sequence[Stmt]:
    while isinstance(body, (Allocate, View)):
        body = body.body
    return body.stmts if isinstance(body, Seq) else (body,)


def stage_of(stmt: Stmt) -> Stage | None:
    """Return the stage that one loop nest is; None if it is something else."""
    loops: list[For] = []
    while isinstance(stmt, For):
        loops.append(stmt)
        stmt = stmt.body
    if not isinstance(stmt, Block) or not isinstance(stmt.body, Store):
        return None
    store = stmt.body
    iters = frozenset(it.var for it in stmt.iters)
    own = Load(store.buffer, store.indices)
    reads = tuple(access for access in accesses(store, store.indices, iters) if access.load != own)
    contraction = contraction_of(stmt)
    return Stage(stmt, tuple(loops), store, _kind(stmt, store, reads, contraction), reads, contraction)


def _kind(block: Block, store: Store, reads: tuple[Access, ...], contraction: Contraction | None) -> StageKind:
    spatial = {it.var for it in block.iters if it.kind == "spatial"}
    variables = [index for index in store.indices if not isinstance(index, Const)]
    once = len(variables) == len(spatial) and all(isinstance(index, Var) and index in spatial for index in variables)
    always = store.predicate is None and block.predicate is None
    if not once or len(set(variables)) != len(variables) or not always:
        return "opaque"
    if any(access.buffer == store.buffer for access in reads):
        return "opaque"
    if contraction is not None:
        return "contraction"
    if any(it.kind == "reduction" for it in block.iters):
        return "reduction"
    if any(isinstance(item, Load) and item.buffer == store.buffer for item in walk(store.value)):
        return "opaque"
    if all(access.pattern in {"identity", "broadcast"} for access in reads):
        return "elementwise"
    return "injective"
