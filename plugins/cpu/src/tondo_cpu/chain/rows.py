"""What a row chain computes between its contractions, one row of the strip after the other.

Stages that need nothing of each other but the element at hand run in one loop along the row; a reduction ends it for
the stages that read its result. Rows of intermediate values take each other's place where the older one is not read
any more. An elementwise value that only its own loop reads is not stored at all, if it is cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tondo.ir import (
    BOOL,
    LOCAL,
    Allocate,
    Binary,
    Buffer,
    Const,
    DType,
    Expr,
    If,
    Load,
    Stmt,
    Store,
    add,
    floordiv,
    intrin,
    mul,
    seq,
    sub,
)
from tondo_cpu.chain.frame import Frame, loop, store, with_loads
from tondo_cpu.chain.quotient import quotient_of
from tondo_schedule.facts import COLUMN, RowChain, Stage
from tondo_schedule.primitives.combiner import update_of

_CHEAP = 2
"""Operations of a value that is computed for each of its readers."""


@dataclass(slots=True)
class Pass:
    """One loop along the row (``along``), or one value of the whole row."""

    along: bool
    stages: list[Stage] = field(default_factory=list[Stage])
    inlined: set[Buffer] = field(default_factory=set[Buffer])


def passes_of(chain: RowChain) -> list[Pass]:
    """Return the loops along a row that compute the stages in between, in order."""
    found: list[Pass] = []
    reduced: set[Buffer] = set()
    for stage in _stages(chain):
        along = stage.kind == "reduction" or COLUMN in chain.places[stage.output]
        reads = {access.buffer for access in stage.reads}
        if not found or not along or not found[-1].along or reads & reduced:
            found.append(Pass(along))
            reduced = set()
        found[-1].stages.append(stage)
        if stage.kind == "reduction":
            reduced.add(stage.output)
    for item in found:
        item.inlined = {stage.output for stage in item.stages if _inlined(stage, item, chain)}
    return found


def _stages(chain: RowChain) -> tuple[Stage, ...]:
    """Return the stages in between that are computed row by row."""
    quotient = quotient_of(chain)
    return chain.middle if quotient is None else tuple(item for item in chain.middle if item not in quotient.stages)


def _inlined(stage: Stage, own: Pass, chain: RowChain) -> bool:
    """Whether ``stage`` is computed where it is read instead of stored."""
    if not own.along or stage.kind == "reduction":
        return False
    readers = [other for other in chain.middle if other.reads_of(stage.output)]
    if any(reader not in own.stages for reader in readers) or _reads(chain.last, stage.output):
        return False
    return len(readers) == 1 or stage.operations <= _CHEAP


def _reads(stage: Stage, buffer: Buffer) -> bool:
    return any(access.buffer == buffer for access in stage.reads)


def memory_of(chain: RowChain) -> dict[Buffer, tuple[int, DType]]:
    """Return the piece of memory that each stored row is in, by number and element type."""
    order = [stage for item in passes_of(chain) for stage in item.stages]
    inlined = {buffer for item in passes_of(chain) for buffer in item.inlined}
    last: dict[Buffer, int] = {}
    for time, stage in enumerate(order):
        for buffer in _needs(stage, inlined, {other.output: other for other in order}):
            last[buffer] = time
    quotient = quotient_of(chain)
    (rows,) = {access.buffer for access in chain.last.reads if access.buffer in chain.places}
    last[rows if quotient is None else quotient.row] = len(order)
    found: dict[Buffer, tuple[int, DType]] = {}
    for time, stage in enumerate((chain.first, *order), -1):
        buffer = stage.output
        if buffer in inlined or COLUMN not in chain.places[buffer]:
            continue
        busy = {found[other][0] for other in found if last.get(other, -1) > time}
        taken = dict(found.values())
        free = [number for number, dtype in taken.items() if dtype == buffer.dtype and number not in busy]
        found[buffer] = (min(free) if free else len(taken), buffer.dtype)
    if quotient is not None:
        found[rows] = found[quotient.row]
    return found


def _needs(stage: Stage, inlined: set[Buffer], by_output: Mapping[Buffer, Stage]) -> set[Buffer]:
    """Return what ``stage`` reads, through values that are not stored."""
    found: set[Buffer] = set()
    for access in stage.reads:
        if access.buffer in inlined:
            found |= _needs(by_output[access.buffer], inlined, by_output)
        else:
            found.add(access.buffer)
    return found


def row_of(frame: Frame, row: Expr) -> Stmt:
    """Return what is computed of ``row`` of the strip."""
    return _Row(frame, row).body()


class _Row:
    """The statements of one row."""

    def __init__(self, frame: Frame, row: Expr) -> None:
        self._frame = frame
        self._row = row
        self._whole: dict[Buffer, Buffer] = {}
        """Values of the whole row: reductions and what is computed of them."""

    def body(self) -> Stmt:
        parts = [self._along(item) if item.along else self._single(item) for item in passes_of(self._frame.chain)]
        parts.extend(self._divisor())
        body = seq(*parts)
        for buffer in self._whole.values():
            body = Allocate(buffer, body)
        return body

    def _divisor(self) -> list[Stmt]:
        """Return what keeps the divisor of the row for its result, see :mod:`tondo_cpu.chain.quotient`."""
        frame, quotient = self._frame, quotient_of(self._frame.chain)
        divisor = frame.divisor(self._row)
        if divisor is None or quotient is None:
            return []
        cell = self._cell(quotient.divisor)
        kept: list[Stmt] = [store(divisor, cell)]
        if quotient.cleared:
            column = frame.fresh("column")
            place = frame.place(quotient.row, self._row, column)
            zeros = loop(column, frame.chain.column.extent, store(place, Const(0, place.dtype)))
            rescued = seq(zeros, store(divisor, Const(1, divisor.dtype)))
            kept.append(If(intrin("isnan", cell, dtype=BOOL), rescued))
        return kept

    def _cell(self, buffer: Buffer) -> Load:
        """Return the element that holds ``buffer``, a value of the whole row."""
        if buffer not in self._whole:
            self._whole[buffer] = Buffer(self._frame.names(f"{buffer.name}_row"), (Const(1),), buffer.dtype, LOCAL)
        return Load(self._whole[buffer], (Const(0),))

    def _single(self, item: Pass) -> Stmt:
        return seq(*(store(self._cell(stage.output), self._value(stage, Const(0), {})) for stage in item.stages))

    def _value(self, stage: Stage, column: Expr, inlined: Mapping[Buffer, Expr]) -> Expr:
        """Return the value of ``stage`` at ``column``; of a reduction what it adds."""
        frame, chain = self._frame, self._frame.chain
        point = frame.point(stage, self._row, column) | {it.var: column for it in stage.reduction}
        loads: dict[Load, Expr] = {}
        for access in stage.reads:
            buffer = access.buffer
            if buffer in inlined:
                loads[access.load] = inlined[buffer]
            elif buffer in frame.strips:
                loads[access.load] = frame.place(buffer, self._row, column)
            elif buffer in chain.places:
                loads[access.load] = self._cell(buffer)
        update = update_of(stage.block) if stage.kind == "reduction" else None
        return with_loads(stage.store.value if update is None else update.value, loads, point)

    def _along(self, item: Pass) -> Stmt:
        """Return the loop of ``item``: whole vectors, the rest under a mask, and its reductions to one value."""
        lanes = self._frame.lanes
        extent = self._frame.chain.column.extent
        reductions = [stage for stage in item.stages if stage.kind == "reduction"]
        partial = {stage.output: self._partial(stage) for stage in reductions}
        whole, vector = floordiv(extent, lanes), self._frame.fresh("vector")
        behind = mul(whole, lanes)

        def step(lane: Expr) -> Stmt:
            return self._step(item, partial, lane, add(mul(vector, lanes), lane))

        def masked(lane: Expr) -> Stmt:
            return If(lane < sub(extent, behind), self._step(item, partial, lane, add(behind, lane)))

        parts = [self._started(stage, partial[stage.output]) for stage in reductions]
        parts.append(loop(vector, whole, self._lanes(step)))
        if not (isinstance(extent, Const) and int(extent.value) % lanes == 0):
            parts.append(If(behind < extent, self._lanes(masked)))
        parts.extend(self._combined(stage, partial[stage.output]) for stage in reductions)
        body = seq(*parts)
        for buffer in partial.values():
            body = Allocate(buffer, body)
        return body

    def _partial(self, stage: Stage) -> Buffer:
        """Return the buffer of what each lane has of a reduction."""
        name = self._frame.names(f"{stage.output.name}_partial")
        return Buffer(name, (Const(self._frame.lanes),), stage.output.dtype, LOCAL)

    def _started(self, stage: Stage, partial: Buffer) -> Stmt:
        return self._lanes(lambda lane: store(Load(partial, (lane,)), _neutral(stage)))

    def _lanes(self, statement: Callable[[Expr], Stmt]) -> Stmt:
        lane = self._frame.fresh("lane")
        return loop(lane, self._frame.lanes, statement(lane), "vectorized")

    def _step(self, item: Pass, partial: Mapping[Buffer, Buffer], lane: Expr, column: Expr) -> Stmt:
        """Return what happens at ``column``."""
        inlined: dict[Buffer, Expr] = {}
        parts: list[Stmt] = []
        for stage in item.stages:
            value = self._value(stage, column, inlined)
            if stage.output in item.inlined:
                inlined[stage.output] = value
            elif stage.output in partial:
                cell = Load(partial[stage.output], (lane,))
                parts.append(store(cell, _combine(stage, cell, value)))
            else:
                parts.append(store(self._frame.place(stage.output, self._row, column), value))
        return seq(*parts)

    def _combined(self, stage: Stage, partial: Buffer) -> Stmt:
        """Return the reduction of the lanes to one value."""
        cell = self._cell(stage.output)
        init = stage.block.init
        assert isinstance(init, Store)
        point = self._frame.point(stage, self._row, Const(0))
        start = store(cell, with_loads(init.value, {}, point))
        return seq(start, self._lanes(lambda lane: store(cell, _combine(stage, cell, Load(partial, (lane,))))))


def _combine(stage: Stage, a: Expr, b: Expr) -> Expr:
    update = update_of(stage.block)
    assert update is not None
    return Binary(update.op, a, b)


def _neutral(stage: Stage) -> Expr:
    update = update_of(stage.block)
    assert update is not None
    return update.neutral
