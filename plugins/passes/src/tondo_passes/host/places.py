"""Where values of a host function lie, and the statements that give them names there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from tondo.diagnostics import fail
from tondo.ir import (
    UINT8,
    Atom,
    Attrs,
    Buffer,
    Const,
    Expr,
    GraphFunction,
    Reserve,
    Stmt,
    Var,
    View,
    add,
    is_const,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tondo.ir import AttrValue


@dataclass(frozen=True, slots=True)
class Slot:
    """Memory of the call by number. It is ``size`` bytes large, or as large as what is seen in it if that is None."""

    number: Expr
    size: Expr | None = None


_START: Final = Const(0)


@dataclass(frozen=True, slots=True)
class Place:
    """Memory from byte ``offset`` of ``base`` on."""

    base: Buffer | Slot
    offset: Expr = _START

    def at(self, offset: Expr) -> Place:
        """Return the place ``offset`` bytes further on."""
        return Place(self.base, add(self.offset, offset))


Named: TypeAlias = "tuple[Buffer, Place]"
"""A buffer and the memory that it names."""


def within(named: list[Named], stmt: Stmt, fresh: Callable[[str], str]) -> Stmt:
    """Return ``stmt`` with each buffer of ``named`` naming its memory around it, unless it is that memory itself."""
    for buffer, place in dict(named).items():
        if isinstance(place.base, Buffer):
            if place.base != buffer:
                stmt = View(buffer, place.base, place.offset, stmt)
        elif place.base.size is None and is_const(place.offset, 0):
            stmt = Reserve(buffer, place.base.number, stmt)
        else:
            assert place.base.size is not None
            block = Buffer(fresh("block"), (place.base.size,), UINT8, align=64)
            stmt = Reserve(block, place.base.number, View(buffer, block, place.offset, stmt))
    return stmt


@dataclass(frozen=True)
class Memory:
    """What ``host.plan_memory`` has written down for one graph function."""

    workspace: Expr
    places: dict[str, Expr] = field(default_factory=dict[str, Expr])
    slotted: dict[str, Place] = field(default_factory=dict[str, Place])
    grown: dict[str, int] = field(default_factory=dict[str, int])
    slots: int = 0

    @staticmethod
    def of(graph: GraphFunction) -> Memory:
        """Return the plan of ``graph``.

        Raises:
            TondoError: TND-B004 if its memory is not planned.
        """
        memory = graph.attrs.get("memory")
        if not isinstance(memory, Attrs):
            fail(
                "TND-B004",
                f"the memory of '{graph.name}' is not planned",
                help="run host.plan_memory before host.lower",
            )
        workspace = memory["workspace"]
        assert isinstance(workspace, Expr)
        blocks: dict[int, Expr] = {}
        for entry in _entries(memory, "blocks"):
            number, size = entry
            assert isinstance(number, int)
            assert isinstance(size, Expr)
            blocks[number] = size
        places: dict[str, Expr] = {}
        for name, offset in _entries(memory, "places"):
            assert isinstance(offset, Expr)
            places[str(name)] = offset
        slotted: dict[str, Place] = {}
        for name, number, offset in _entries(memory, "slotted"):
            assert isinstance(number, int)
            assert isinstance(offset, Expr)
            slotted[str(name)] = Place(Slot(Const(number), blocks[number]), offset)
        grown = {str(name): int(str(number)) for name, number in _entries(memory, "grown")}
        # A carried value has the slot after its own, too.
        count = max((number + 2 for number in (*grown.values(), *blocks)), default=0)
        return Memory(workspace, places, slotted, grown, count)

    def place(self, name: str, arena: Place) -> Place | None:
        """Return the place of what is planned as ``name``; None if its own loop or caller places it."""
        if name in self.places:
            return arena.at(self.places[name])
        if name in self.slotted:
            return self.slotted[name]
        return Place(Slot(Const(self.grown[name]))) if name in self.grown else None


@dataclass
class Scope:
    """One graph function that is being lowered: its plan, its arena, the places of its values.

    ``known`` are the dimensions that have values.
    """

    function: GraphFunction
    memory: Memory
    arena: Place
    places: dict[Atom, Place] = field(default_factory=dict[Atom, Place])
    known: set[Var] = field(default_factory=set[Var])


def _entries(memory: Attrs, name: str) -> tuple[tuple[AttrValue, ...], ...]:
    entries = memory.get(name, ())
    assert isinstance(entries, tuple)
    found: list[tuple[AttrValue, ...]] = []
    for entry in entries:
        assert isinstance(entry, tuple)
        found.append(entry)
    return tuple(found)
