"""From a scheduled tensor function to a kernel of the accelerator.

The statements are walked in order. A loop around several things becomes LOOP and NEXT; the loops around a single block
become the axes of its instruction. Which instruction a block is, its form says:

* it carries the name of the declared ``npu.matmul.16x16x16``: MATMUL, with the tiles that its regions name;
* it matches the declared ``npu.dma.load``, or brings zero where a condition does not hold: LOAD, conditions as guards;
* it matches the declared ``npu.dma.store``, under a condition or not: STORE;
* it stores a constant to the device: FILL;
* it stores anything else that is computed from elements of the device: VECTOR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from tondo.arith import Analyzer
from tondo.diagnostics import fail
from tondo.ir import (
    GLOBAL,
    Allocate,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    Load,
    Node,
    Range,
    Select,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    is_const,
    rewrite,
    substitute,
    walk,
)
from tondo_npu.blocking import unit_step
from tondo_npu.intrinsics import DMA_LOAD, DMA_STORE, MATMUL
from tondo_npu.linear import Addresses
from tondo_npu.numbers import Numbers
from tondo_npu.structure import conjuncts
from tondo_npu.tiles import DeviceTile, bound, device_tiles, local
from tondo_npu.vector import compiled
from tondo_npu_runtime.isa import (
    FIRST_AXIS,
    MAX_AXES,
    MAX_LOOPS,
    Fill,
    Instruction,
    Kernel,
    Loop,
    Matmul,
    Next,
    Opcode,
    Place,
    Space,
    Tile,
    Transfer,
    Vector,
)
from tondo_schedule.instructions import Computation, Match, match
from tondo_schedule.tree import INTRINSIC


def generate(function: TensorFunction, symbol: str) -> Kernel:
    """Return the kernel that computes ``function`` and defines the packed function ``symbol``.

    Args:
        function: scheduled by :mod:`tondo_npu.rule`, or by hand with the same forms.
        symbol: name of the packed function.

    Raises:
        TondoError: TND-B004 for a form that the accelerator has no instruction for.
    """
    return _Generator(replace(function, body=_repeated(function.body))).kernel(symbol)


class _Generator:
    def __init__(self, function: TensorFunction) -> None:
        self._function = function
        self._numbers = Numbers(function.name, function.scalars)
        self._tiles, self._ends = device_tiles(function)
        self._buffers = {buffer: number for number, buffer in enumerate(function.buffers)}
        self._code: list[Instruction] = []

    def kernel(self, symbol: str) -> Kernel:
        function = self._function
        self._statement(function.body, ())
        return Kernel(
            name=function.name,
            symbol=symbol,
            scalars=len(function.scalars),
            buffers=len(function.buffers),
            outputs=function.outputs,
            scratchpad=self._ends[Space.SCRATCHPAD],
            accumulators=self._ends[Space.ACCUMULATOR],
            values=self._numbers.table,
            code=tuple(self._code),
        )

    # -- statements

    def _statement(self, stmt: Stmt, loops: tuple[For, ...]) -> None:
        match stmt:
            case Allocate():
                self._statement(stmt.body, loops)
            case Seq():
                for item in stmt.stmts:
                    self._statement(item, loops)
            case For() | Block():
                axes, inner = _nest(stmt)
                if isinstance(inner, Block):
                    self._instruction(bound(inner), loops, axes)
                else:
                    self._loop(axes[0], loops)
            case _:
                self._refuse(f"a statement '{type(stmt).__name__}'")

    def _loop(self, loop: For, loops: tuple[For, ...]) -> None:
        if len(loops) == MAX_LOOPS:
            self._refuse(f"more than {MAX_LOOPS} loops")
        if not is_const(loop.begin, 0):
            self._refuse(f"loop '{loop.var.name}', which does not begin at 0")
        self._code.append(Loop(self._numbers(loop.extent)))
        self._statement(loop.body, (*loops, loop))
        self._code.append(Next())

    # -- instructions

    def _instruction(self, block: Block, loops: tuple[For, ...], axes: tuple[For, ...]) -> None:
        if len(axes) > MAX_AXES:
            self._refuse(f"block '{block.name}', which runs over more than {MAX_AXES} axes")
        axes = self._in_memory_order(block, axes)
        form = _Form(self._numbers, self._tiles, loops, axes, self._function.name)
        sizes = tuple(self._numbers(axis.extent) for axis in axes)
        if block.attrs.get(INTRINSIC) == MATMUL.name:
            self._code.append(self._matmul(block, form, sizes))
            return
        store = block.body
        if not isinstance(store, Store) or store.predicate is not None or INTRINSIC in block.attrs:
            self._refuse(f"block '{block.name}', which is neither a store nor a known instruction")
        conditions = [] if block.predicate is None else conjuncts(block.predicate)
        self._code.append(self._stored(block, store, conditions, form, sizes))

    def _in_memory_order(self, block: Block, axes: tuple[For, ...]) -> tuple[For, ...]:
        """Return the axes of a transfer with the one last that walks along global memory, so that bursts are long."""
        touched = [
            item for item in walk(block.body) if isinstance(item, (Load, Store)) and item.buffer in self._buffers
        ]
        if len(touched) != 1:
            return axes
        load = Load(touched[0].buffer, touched[0].indices)
        return tuple(sorted(axes, key=lambda axis: unit_step(load, axis.var)))

    def _stored(
        self, block: Block, store: Store, conditions: list[Expr], form: _Form, sizes: tuple[int, ...]
    ) -> Instruction:
        value = store.value
        if store.buffer.scope != GLOBAL and not conditions:
            while isinstance(value, Select) and is_const(value.b, 0):
                conditions.extend(conjuncts(value.condition))
                value = value.a
        opcode = _transfer_of(replace(store, value=value))
        if opcode is not None:
            assert isinstance(value, Load)
            return self._transfer(opcode, Load(store.buffer, store.indices), value, conditions, form, sizes)
        if store.buffer.scope == GLOBAL or block.predicate is not None:
            self._refuse(f"block '{block.name}', which computes into global memory or under a condition")
        target = form.place(store.buffer, store.indices)
        if isinstance(store.value, Const):
            return Fill(target, sizes, float(store.value.value))
        loads, constants, program = compiled(store.value, self._function.name)
        operands = tuple(form.place(load.buffer, load.indices) for load in loads)
        return Vector(target, sizes, operands, constants, program)

    def _transfer(
        self,
        opcode: Opcode,
        written: Load,
        read: Load,
        conditions: Sequence[Expr],
        form: _Form,
        sizes: tuple[int, ...],
    ) -> Transfer:
        outside, inside = (read, written) if opcode == Opcode.LOAD else (written, read)
        buffer = outside.buffer
        if buffer not in self._buffers:
            self._refuse(f"an intermediate buffer '{buffer.name}' in global memory")
        address = form.addresses.offset([form.simplify(index) for index in outside.indices], buffer.row_major_strides())
        place = form.place(inside.buffer, inside.indices)
        guards = tuple(form.addresses.guard(condition) for condition in dict.fromkeys(conditions))
        return Transfer(opcode, self._buffers[buffer], address, place, sizes, form.addresses.digits, guards)

    def _matmul(self, block: Block, form: _Form, sizes: tuple[int, ...]) -> Matmul:
        """Return the instruction for the tiles that the regions of ``block`` name: a and b are read, c is written."""
        a, b = (form.tile(region.buffer, region.ranges) for region in block.reads)
        (c,) = (form.tile(region.buffer, region.ranges) for region in block.writes)
        return Matmul(a, b, c, sizes)

    def _refuse(self, what: str) -> NoReturn:
        fail("TND-B004", f"'{self._function.name}' cannot be compiled for the accelerator: it has {what}")


class _Form:
    """What the operands of one instruction have in common: loops, axes, digits."""

    def __init__(
        self,
        numbers: Numbers,
        tiles: Mapping[Buffer, DeviceTile],
        loops: Sequence[For],
        axes: Sequence[For],
        function: str,
    ) -> None:
        self._numbers = numbers
        self._tiles = tiles
        self._function = function
        variables: dict[Var, int] = {loop.var: number for number, loop in enumerate(loops)}
        variables |= {axis.var: FIRST_AXIS + number for number, axis in enumerate(axes)}
        self._known = Analyzer({loop.var: (loop.begin, loop.extent) for loop in (*loops, *axes)})
        self.addresses = Addresses(numbers, variables, function)

    def simplify(self, index: Expr) -> Expr:
        return self._known.simplify(index)

    def place(self, buffer: Buffer, indices: Sequence[Expr]) -> Place:
        """Return where an element of a buffer on the device lies."""
        tile = self._tiles.get(buffer)
        if tile is None:
            fail("TND-B004", f"'{self._function}': an instruction reads '{buffer.name}', which is not on the device")
        begin = (*local(indices, tile, self._known), Const(tile.begin))
        address = self.addresses.offset(begin, [*(Const(stride) for stride in tile.strides), Const(1)])
        return Place(tile.space, address)

    def tile(self, buffer: Buffer, ranges: Sequence[Range]) -> Tile:
        """Return the operand of the array that begins where ``ranges`` do; its rows are those of the last dimension."""
        place = self.place(buffer, [item.begin for item in ranges])
        return Tile(place, self._numbers(self._tiles[buffer].strides[-2]))


def _transfer_of(store: Store) -> Opcode | None:
    """Return which transfer ``store`` is, by the declared instructions; None if it is none."""
    given = Computation({}, store, "")
    for intrinsic, opcode in ((DMA_LOAD, Opcode.LOAD), (DMA_STORE, Opcode.STORE)):
        if isinstance(match(intrinsic, given), Match):
            return opcode
    return None


def _nest(stmt: Stmt) -> tuple[tuple[For, ...], Stmt]:
    """Return the loops around what is not a loop, and that."""
    loops: list[For] = []
    while isinstance(stmt, For):
        loops.append(stmt)
        stmt = stmt.body
    return tuple(loops), stmt


def _repeated(stmt: Stmt) -> Stmt:
    """Return ``stmt`` without loops that run once."""

    def change(item: Node) -> Node:
        if isinstance(item, For) and is_const(item.extent, 1) and isinstance(item.begin, Const):
            return substitute(item.body, {item.var: item.begin})
        return item

    made = rewrite(stmt, change)
    assert isinstance(made, Stmt)
    return made
