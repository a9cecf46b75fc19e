"""Names, places and numbers of a host function while its statements are made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tondo.arith import USUAL
from tondo.diagnostics import fail
from tondo.ir import (
    Atom,
    Buffer,
    Const,
    Expr,
    GraphVar,
    Invoke,
    IRModule,
    Load,
    Part,
    Stmt,
    Store,
    TensorFunction,
    Var,
    mul,
    substitute,
)
from tondo_passes.host.copy_bytes import COPY, copy_bytes
from tondo_passes.host.places import Named, Place, Scope, Slot, within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo.arith import Interval
    from tondo_passes.graph.names import NameSupply


class Emitter:
    """What the lowering of all functions of one host function shares."""

    def __init__(
        self,
        module: IRModule,
        fresh: NameSupply,
        numbers: Buffer,
        cells: Mapping[str, int],
        dims: Mapping[str, Interval] | None = None,
    ) -> None:
        """``numbers`` is where the dimensions that the call finds out are written, ``cells`` their positions.

        ``dims`` are the bounds of dimensions, where they are not the usual ones.
        """
        self.module = module
        self.fresh = fresh
        self._numbers = numbers
        self.cells = cells
        self._dims = dims or {}
        self._loads: dict[Var, Expr] = {Var(name): self.cell(name) for name in cells}
        self._buffers: dict[Atom, Buffer] = {}
        self._made: dict[str, TensorFunction] = {}

    @property
    def made(self) -> list[TensorFunction]:
        """Functions that the host calls besides those of the module."""
        return list(self._made.values())

    # -- numbers

    def cell(self, name: str) -> Expr:
        """Return the number ``name``, read from memory."""
        return Load(self._numbers, (Const(self.cells[name]),))

    def set_cell(self, name: str, value: Expr) -> Stmt:
        """Return the statement that writes the number ``name``; ``value`` is an expression of the host."""
        return Store(self._numbers, (Const(self.cells[name]),), value)

    def may_vanish(self, var: Var) -> bool:
        """Whether a size with the dimension ``var`` may be 0: contents decide it, or it may be 0 itself."""
        return var.name in self.cells or self._dims.get(var.name, USUAL).low == 0

    def here(self, value: Expr) -> Expr:
        """Return an expression of dimensions as the host computes it."""
        return substitute(value, self._loads)

    # -- places

    def own(self, scope: Scope, atom: Atom, buffer: Buffer) -> None:
        """``atom`` is the parameter ``buffer`` of the host."""
        self._buffers[atom] = buffer
        scope.places[atom] = Place(buffer)

    def buffer(self, atom: Atom) -> Buffer:
        """Return what the host calls ``atom``."""
        if atom not in self._buffers:
            shape = tuple(self.here(dim) for dim in atom.tensor.dims)
            self._buffers[atom] = Buffer(self.fresh(atom.name), shape, atom.tensor.dtype)
        return self._buffers[atom]

    def part(self, scope: Scope, part: Part) -> None:
        """``part`` is seen as one axis of memory, from its first to its last element, inside of its whole."""
        dtype = part.value.tensor.dtype
        self._buffers[part.value] = Buffer(self.fresh(part.value.name), (self.here(part.span),), dtype)
        offset = self.here(mul(part.offset, dtype.bytes))
        scope.places[part.value] = self.place(scope, part.whole).at(offset)

    def rename(self, atom: Atom, other: Atom) -> None:
        """``atom`` is called what ``other`` is."""
        self._buffers[atom] = self.buffer(other)

    def planned(self, scope: Scope, name: str) -> Place:
        """Return the place that is planned under ``name``."""
        found = scope.memory.place(name, scope.arena)
        if found is None:
            fail("TND-B004", f"no memory is planned for '{name}'", help="run host.plan_memory before host.lower")
        offset = self.here(found.offset)
        if isinstance(found.base, Buffer):
            return Place(found.base, offset)
        size = None if found.base.size is None else self.here(found.base.size)
        return Place(Slot(self.here(found.base.number), size), offset)

    def place(self, scope: Scope, atom: Atom) -> Place:
        """Return where ``atom`` lies."""
        found = scope.places.get(atom)
        if found is None:
            found = self._place(scope, atom)
            scope.places[atom] = found
        return found

    def _place(self, scope: Scope, atom: Atom) -> Place:
        return self.planned(scope, atom.name) if isinstance(atom, GraphVar) else Place(self._buffers[atom])

    def named(self, scope: Scope, atom: Atom) -> Named:
        """Return ``atom`` as a buffer with its place."""
        return self.buffer(atom), self.place(scope, atom)

    def element(self, scope: Scope, atom: Atom, index: int = 0) -> tuple[Expr, Named]:
        """Return the load of an element of a tensor of rank 0 or 1, and what must be named around it."""
        buffer = replace(self.buffer(atom), name=self.fresh(atom.name))
        indices = tuple(Const(index) for _ in buffer.shape)
        return Load(buffer, indices), (buffer, self.place(scope, atom))

    def within(self, named: list[Named], stmt: Stmt) -> Stmt:
        """Return ``stmt`` with the buffers of ``named`` naming their memory."""
        return within(named, stmt, self.fresh)

    def copied(self, source: Place, target: Place, width: int, shape: Sequence[Expr]) -> Stmt:
        """Return the copy of a tensor with elements of ``width`` bytes from one place to another."""
        size: Expr = Const(width)
        for extent in shape:
            size = size * self.here(extent)
        function = copy_bytes()
        self._made[COPY] = function
        x, y = (replace(buffer, name=self.fresh(buffer.name), shape=(size,)) for buffer in function.buffers)
        return self.within([(x, source), (y, target)], Invoke(COPY, (size, x, y)))
