"""Reduced axes: result shapes and the reduction stage itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tondo.ir import Buffer, Combiner, Compute, Expr, OpCall
from tondo_ops.support.attributes import axes_of, flag, optional_ints
from tondo_ops.support.dims import ONE, product
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction


@dataclass(frozen=True, slots=True)
class Axes:
    """Which axes of a tensor are reduced, and whether they stay as 1."""

    shape: tuple[Expr, ...]
    reduced: tuple[int, ...]
    keep: bool

    @property
    def result(self) -> tuple[Expr, ...]:
        """Shape of the result."""
        if self.keep:
            return tuple(ONE if axis in self.reduced else extent for axis, extent in enumerate(self.shape))
        return tuple(extent for axis, extent in enumerate(self.shape) if axis not in self.reduced)

    @property
    def extents(self) -> tuple[Expr, ...]:
        """Sizes of the reduced axes."""
        return tuple(self.shape[axis] for axis in self.reduced)

    @property
    def size(self) -> Expr:
        """Number of elements that one result element combines."""
        return product(self.extents)

    def split(self, index: Sequence[Expr]) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
        """Return (index into the result, index into the input) of the variables of a reduction stage."""
        cut = len(self.result)
        own, inner = index[:cut], iter(index[cut:])
        outer = iter(value for axis, value in enumerate(own) if not self.keep or axis not in self.reduced)
        return tuple(own), tuple(
            next(inner) if axis in self.reduced else next(outer) for axis in range(len(self.shape))
        )

    def of(self, index: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return the index into the result that belongs to an ``index`` into the input."""
        if self.keep:
            return tuple(ONE - ONE if axis in self.reduced else value for axis, value in enumerate(index))
        return tuple(value for axis, value in enumerate(index) if axis not in self.reduced)

    def reduce(
        self, builder: Compute, name: str, value: Callable[[tuple[Expr, ...]], Expr], combiner: Combiner
    ) -> Buffer:
        """Add the reduction of ``value(index into the input)``."""
        return reduction(builder, name, self.result, self.extents, lambda *i: value(self.split(i)[1]), combiner)

    def map(self, builder: Compute, name: str, source: Buffer, value: Callable[[Expr], Expr]) -> Buffer:
        """Add the elementwise stage ``value(source[i])`` over the result."""
        return builder.compute(name, self.result, lambda *i: value(at(source, i)))


def axes_from(call: OpCall, *, keep: bool | None = None) -> Axes:
    """Return the axes that the attributes ``axes`` (None: all) and ``keepdims`` of ``call`` name."""
    (x,) = call.args
    wanted = optional_ints(call, "axes")
    reduced = tuple(range(x.rank)) if wanted is None else axes_of(call, wanted, x.rank)
    return Axes(x.dims, reduced, flag(call, "keepdims", default=True) if keep is None else keep)
