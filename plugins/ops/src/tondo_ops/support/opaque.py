"""Blocks whose body is a small program: what index maps alone cannot say (running sums, scatter).

The iteration variables of such a block are all spatial: its instances are independent and may run in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tondo.ir import Block, Buffer, Const, Expr, For, IterVar, Range, Region, Stmt, TensorFunction, Var, free_vars
from tondo_ops.support.dims import ONE, ZERO


@dataclass(frozen=True, slots=True)
class Nest:
    """A loop nest of ``shape`` around one block called ``name``."""

    name: str
    shape: tuple[Expr, ...]
    iters: tuple[IterVar, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Make the iteration variables."""
        name = self.name
        iters = tuple(IterVar(Var(f"{name}_{i}"), extent, Var(f"{name}_l{i}")) for i, extent in enumerate(self.shape))
        object.__setattr__(self, "iters", iters)

    @property
    def index(self) -> tuple[Expr, ...]:
        """The iteration variables."""
        return tuple(it.var for it in self.iters)

    def around(self, buffer: Buffer, along: frozenset[int]) -> Region:
        """Return the region of ``buffer`` that is whole ``along`` some axes and one point in the others, in order."""
        index = iter(self.index)
        ranges = [
            Range(ZERO, extent) if axis in along else Range(next(index), ONE)
            for axis, extent in enumerate(buffer.shape)
        ]
        return Region(buffer, tuple(ranges))

    def block(self, body: Stmt, reads: Sequence[Region], writes: Sequence[Region]) -> Stmt:
        """Return the loops around a block of ``body``."""
        stmt: Stmt = Block(self.name, self.iters, tuple(reads), tuple(writes), body)
        for it in reversed(self.iters):
            assert isinstance(it.binding, Var)
            stmt = For(it.binding, Const(0), it.extent, stmt)
        return stmt


def function_of(name: str, inputs: Sequence[Buffer], outputs: Sequence[Buffer], body: Stmt) -> TensorFunction:
    """Return the function of ``body``; its scalar parameters are the dimensions that occur, by name."""
    free = free_vars(body, (*inputs, *outputs))
    return TensorFunction(name, (*free, *inputs, *outputs), body, len(outputs))
