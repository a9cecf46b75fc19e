"""Expressions and statements of a row chain's kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tondo.ir import (
    Binary,
    Buffer,
    Const,
    Expr,
    For,
    Load,
    Node,
    Stmt,
    Store,
    Var,
    add,
    minimum,
    rewrite,
    sub,
    substitute,
)
from tondo_schedule.facts import COLUMN, UNIT, RowChain, Stage
from tondo_schedule.tree import Names


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a strip stands: the values of the row axes and the memory of what is in between.

    Attributes:
        chain: the chain.
        names: makes names that are free.
        lanes: elements of a vector.
        strips: the memory of each buffer in between that has columns.
        chunk: the index of the scratch memory of the current chunk.
        rows: the value of each row axis; of the tiled one the first row of the strip.
        count: rows of the strip; never more than what its memory holds.
        divisors: what the result is divided by, for each chunk and row of the strip; None if by nothing.
    """

    chain: RowChain
    names: Names
    lanes: int
    strips: Mapping[Buffer, Buffer]
    chunk: Expr
    rows: tuple[Expr, ...]
    count: Expr
    divisors: Buffer | None = None

    def at(self, row: Expr) -> tuple[Expr, ...]:
        """Return the values of the row axes at ``row`` of the strip."""
        tile = self.chain.tile
        return tuple(add(value, row) if number == tile else value for number, value in enumerate(self.rows))

    def point(self, stage: Stage, row: Expr, column: Expr) -> dict[Var, Expr]:
        """Return the values of the iteration variables of ``stage`` at ``row`` of the strip and ``column``."""
        rows = self.at(row)
        special = {COLUMN: column, UNIT: Const(0)}
        axes = self.chain.variables(stage)
        return {var: special[place] if place in special else rows[place] for var, place in axes.items()}

    def place(self, buffer: Buffer, row: Expr, column: Expr) -> Load:
        """Return the element of a strip."""
        return Load(self.strips[buffer], (self.chunk, row, column))

    def divisor(self, row: Expr) -> Load | None:
        """Return what the result at ``row`` of the strip is divided by."""
        return None if self.divisors is None else Load(self.divisors, (self.chunk, row))

    def fresh(self, name: str) -> Var:
        """Return a new variable."""
        return Var(self.names(name))


def loop(var: Var, extent: Expr | int, body: Stmt, kind: str = "serial", begin: Expr | int = 0) -> For:
    """Return a loop."""
    first = begin if isinstance(begin, Expr) else Const(begin)
    return For(var, first, extent if isinstance(extent, Expr) else Const(extent), body, kind)


def store(place: Load, value: Expr) -> Store:
    """Return the store of ``value`` to the element that ``place`` loads."""
    return Store(place.buffer, place.indices, value)


def clamped(row: Expr, count: Expr) -> Expr:
    """Return ``row``, or the last of ``count`` rows behind them: computed again, to the same values."""
    return minimum(row, sub(count, 1))


def product_of(stage: Stage) -> Expr:
    """Return what a contraction adds up."""
    value = stage.store.value
    assert isinstance(value, Binary)
    return value.b if value.a == Load(stage.output, stage.store.indices) else value.a


def with_loads(value: Expr, loads: Mapping[Load, Expr], point: Mapping[Var, Expr]) -> Expr:
    """Return ``value`` at ``point``; what stands for one of its ``loads`` is at that point already."""

    def change(item: Node) -> Node:
        return loads.get(item, item) if isinstance(item, Load) else item

    made = rewrite(value, change)
    assert isinstance(made, Expr)
    return substitute(made, dict(point))
