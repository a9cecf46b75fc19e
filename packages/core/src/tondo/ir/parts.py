"""Where values lie that are parts of others: the arguments of joins.

A joined value is stored row-major. An argument of its join begins where the arguments before it end along the axis,
and keeps the strides of the whole; a join of joins is one memory with parts of parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.ir.buffer import span_of, strides_of
from tondo.ir.expr import Const, Expr, add, mul
from tondo.ir.graph import Binding, GraphVar, Join
from tondo.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Part:
    """The memory of ``value``: from element ``offset`` of ``whole`` on, with ``strides`` in elements."""

    value: GraphVar
    whole: GraphVar
    offset: Expr
    strides: tuple[Expr, ...]

    @property
    def span(self) -> Expr:
        """Number of elements from the first to the last one, those of other parts in between included."""
        return span_of(self.value.tensor.dims, self.strides)


def parts_of(bindings: Sequence[Binding]) -> dict[GraphVar, Part]:
    """Return the parts that the joins among ``bindings`` make, the outermost ``whole`` of each.

    A join of what has other ranks, which the verifier refuses, makes none.
    """
    found: dict[GraphVar, Part] = {}
    for binding in reversed(bindings):
        join = binding.operation
        if not isinstance(join, Join) or not _fits(binding, join):
            continue
        outer = found.get(binding.var)
        strides = strides_of(binding.var.tensor.dims) if outer is None else outer.strides
        whole, offset = (binding.var, Const(0)) if outer is None else (outer.whole, outer.offset)
        for arg in join.args:
            found[arg] = Part(arg, whole, offset, strides)
            offset = add(offset, mul(arg.tensor.dims[join.axis], strides[join.axis]))
    return found


def _fits(binding: Binding, join: Join) -> bool:
    """Whether the result and the arguments of ``join`` have one known rank, and the axis."""
    types = [item.type for item in (*binding.vars, *join.args)]
    ranks = {kind.rank if isinstance(kind, TensorType) and kind.shape is not None else -1 for kind in types}
    return len(binding.vars) == 1 and len(ranks) == 1 and 0 <= join.axis < max(ranks)
