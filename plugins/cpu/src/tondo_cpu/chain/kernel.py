"""The kernel of a row chain.

::

    panels = keys                                            (if there are rows enough)
    for chunk in parallel:
        for strip in the strips of the chunk:                rows of one matrix of a batch
            scratch = queries * panels                       rows x columns, in the nearest caches
            for row: scale, mask, maximum, exponential, sum ... in place
            result = scratch * values, divided by the sum

Each chunk has scratch memory of its own, so the memory needed grows with the number of threads and the length of a row,
not with the number of rows. Where the number of rows is not known a second version serves few rows: one at a time, from
keys that are not packed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tondo.arith import Analyzer
from tondo.ir import (
    GLOBAL,
    Allocate,
    Attrs,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Let,
    Stmt,
    TensorFunction,
    Var,
    ceildiv,
    floordiv,
    floormod,
    minimum,
    mul,
    seq,
    sub,
)
from tondo.passes import RuleContext
from tondo_cpu.chain.frame import Frame, loop
from tondo_cpu.chain.pack import pack
from tondo_cpu.chain.plan import FEW_ROWS, Plan, constant
from tondo_cpu.chain.products import Blocks, across, results, scores, single_scores
from tondo_cpu.chain.quotient import quotient_of
from tondo_cpu.chain.rows import memory_of, row_of
from tondo_cpu.contraction.tile import Tile
from tondo_schedule.facts import RowChain
from tondo_schedule.tree import Names


def kernel(
    function: TensorFunction, chain: RowChain, plan: Plan, context: RuleContext, known: Analyzer, *, dots: bool
) -> TensorFunction:
    """Return ``function`` as a kernel.

    Args:
        function: in compute form.
        chain: what its stages form.
        plan: the decisions.
        context: passed on to what schedules the packing of keys.
        known: what is known about the dimensions.
        dots: whether keys are contiguous along the sum (else along the columns).
    """
    return _Kernel(function, chain, plan, context, known, dots=dots).made()


class _Kernel:
    def __init__(
        self,
        function: TensorFunction,
        chain: RowChain,
        plan: Plan,
        context: RuleContext,
        known: Analyzer,
        *,
        dots: bool,
    ) -> None:
        self._function = function
        self._chain = chain
        self._plan = plan
        self._context = context
        self._known = known
        self._dots = dots
        self._names = Names(function)
        self._local: list[Buffer] = []

    def made(self) -> TensorFunction:
        rows = self._rows()
        count = self._known.simplify(rows)
        if isinstance(count, Const):
            body = self._tiled() if int(count.value) >= FEW_ROWS else self._single()
        else:
            body = If(count >= FEW_ROWS, self._tiled(), self._single())
        for buffer in self._local:
            body = Allocate(buffer, body)
        return replace(self._function, body=body)

    def _rows(self) -> Expr:
        tile = self._chain.tile
        return Const(1) if tile is None else self._chain.rows[tile].extent

    def _tiled(self) -> Stmt:
        chain, plan = self._chain, self._plan
        packed = pack(chain, plan.panel, self._context, self._names, self._known)
        self._local += [*packed.local, packed.buffer]
        padded = mul(ceildiv(chain.column.extent, plan.panel), plan.panel)
        width = constant(self._known, chain.width.extent)
        assert width is not None

        blocks = self._blocks(width)

        def strip(frame: Frame) -> Stmt:
            row = frame.fresh("row")
            middle = loop(row, frame.count, row_of(frame, row))
            last = results(frame, plan.results, width, blocks)
            return seq(scores(frame, plan.scores, packed), middle, last)

        return seq(packed.body, self._chunks(plan.rows, padded, strip))

    def _blocks(self, width: int) -> Blocks | None:
        """Return the blocks of keys, None if a single one has all."""
        plan, columns = self._plan, constant(self._known, self._chain.column.extent)
        if columns is not None and columns <= plan.keys:
            return None
        shape = (Const(plan.chunks), Const(plan.rows), Const(width))
        sums = Buffer(self._names("sums"), shape, self._chain.last.output.dtype)
        self._local.append(sums)
        return Blocks(plan.keys, sums)

    def _single(self) -> Stmt:
        plan, width = self._plan, constant(self._known, self._chain.width.extent)
        assert width is not None

        def strip(frame: Frame) -> Stmt:
            first = single_scores(frame) if self._dots else across(frame)
            return seq(first, row_of(frame, Const(0)), results(frame, Tile(1, plan.results.vectors), width))

        return self._chunks(1, self._chain.column.extent, strip)

    def _chunks(self, height: int, columns: Expr, strip: Callable[[Frame], Stmt]) -> Stmt:
        """Return the loops over all strips of ``height`` rows around what ``strip`` makes of one."""
        chain, names, known = self._chain, self._names, self._known
        total = known.simplify(ceildiv(self._rows(), height))
        outer = [(number, it) for number, it in enumerate(chain.rows) if number != chain.tile]
        for _, it in outer:
            total = mul(total, it.extent)
        total = known.simplify(total)
        share = known.simplify(ceildiv(total, self._plan.chunks))
        chunk, turn = Var(names("chunk")), Var(names("strip"))
        memory = self._memory(height, known.simplify(columns))
        lets: list[tuple[Var, Expr]] = []
        place: Expr = turn
        values: dict[int, Expr] = {}
        count: Expr = Const(height)
        axes = [(number, it.extent) for number, it in outer]
        if chain.tile is not None:
            axes.append((chain.tile, ceildiv(self._rows(), height)))
        for position, (number, extent) in enumerate(reversed(axes)):
            value = place if position == len(axes) - 1 else floormod(place, extent)
            var = Var(names("first" if number == chain.tile else "axis"))
            lets.append((var, mul(value, height) if number == chain.tile else value))
            values[number] = var
            place = floordiv(place, extent)
        if chain.tile is not None and height > 1:
            var = Var(names("count"))
            lets.append((var, minimum(height, sub(self._rows(), values[chain.tile]))))
            count = var
        rows = tuple(values[number] for number in range(len(chain.rows)))
        body: Stmt = strip(Frame(chain, names, self._plan.lanes, memory, chunk, rows, count, self._divisors(height)))
        for var, value in reversed(lets):
            body = Let(var, known.simplify(value), body)
        begin = mul(chunk, share)
        body = For(turn, begin, minimum(share, sub(total, begin)), body)
        kind = "parallel" if self._plan.chunks > 1 else "serial"
        attrs = Attrs(grain=1) if self._plan.chunks > 1 else Attrs()
        return For(chunk, Const(0), known.simplify(ceildiv(total, share)), body, kind, attrs)

    def _divisors(self, height: int) -> Buffer | None:
        """Return the memory of what results are divided by, if they are."""
        quotient = quotient_of(self._chain)
        if quotient is None:
            return None
        shape = (Const(self._plan.chunks), Const(height))
        divisors = Buffer(self._names("divisors"), shape, quotient.divisor.dtype, GLOBAL)
        self._local.append(divisors)
        return divisors

    def _memory(self, height: int, columns: Expr) -> dict[Buffer, Buffer]:
        """Return the scratch memory of every stored row, a strip of ``height`` rows for each chunk."""
        pieces: dict[int, Buffer] = {}
        found: dict[Buffer, Buffer] = {}
        for buffer, (number, dtype) in memory_of(self._chain).items():
            if number not in pieces:
                shape = (Const(self._plan.chunks), Const(height), columns)
                pieces[number] = Buffer(self._names("scratch"), shape, dtype, GLOBAL)
            found[buffer] = pieces[number]
        self._local += pieces.values()
        return found
