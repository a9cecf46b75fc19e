"""How far apart in memory neighbours along an iteration variable lie, and which variables make one axis together.

The step of a variable in a buffer is the number of elements between the accesses of two of its successive values. Two
variables are one axis of memory where the step of the outer one is that of the inner one times its extent, in every
buffer: a product over ``(oh, ow)`` is then one over ``oh * ow`` rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tondo.arith import Analyzer, affine
from tondo.ir import Buffer, Const, Expr, IterVar, Var, add, mul

Steps = Mapping[Var, Expr]
"""Elements between neighbours, by variable; 0 for a variable that does not occur."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Variables that are one axis of memory, outermost first."""

    iters: tuple[IterVar, ...]
    extent: Expr

    @property
    def inner(self) -> Var | None:
        """The innermost variable, whose steps are those of the axis; None for an axis of one element."""
        return self.iters[-1].var if self.iters else None

    def step(self, steps: Steps) -> Expr:
        """Return the step along the axis; 0 for one of one element."""
        return Const(0) if self.inner is None else steps[self.inner]


def row_major(buffer: Buffer) -> tuple[Expr, ...]:
    """Return how many elements lie between neighbours along each dimension of ``buffer``."""
    if buffer.strides is not None:
        return buffer.strides
    found: list[Expr] = []
    step: Expr = Const(1)
    for extent in reversed(buffer.shape):
        found.append(step)
        step = mul(step, extent)
    return tuple(reversed(found))


def steps_of(buffer: Buffer, indices: Sequence[Expr], iters: Sequence[IterVar], known: Analyzer) -> Steps | None:
    """Return the steps of ``iters`` where ``buffer`` is read or written at ``indices``.

    None if an index is no sum of multiples of them, or the first access is not that of the first element.
    """
    steps: dict[Var, Expr] = {it.var: Const(0) for it in iters}
    for index, step in zip(indices, row_major(buffer), strict=True):
        form = affine(index)
        if form is None:
            return None
        for it in iters:
            slope, form = form.split(it.var)
            steps[it.var] = add(steps[it.var], mul(slope.to_expr(), step))
        if known.simplify(form.to_expr()) != Const(0):
            return None
    return {var: known.simplify(step) for var, step in steps.items()}


def axes_of(iters: Sequence[IterVar], buffers: Sequence[Steps], known: Analyzer) -> list[Axis]:
    """Return ``iters`` as axes, in order; variables of one element are left out."""
    axes: list[Axis] = []
    for it in iters:
        if it.extent == Const(1):
            continue
        if axes and _continues(axes[-1], it, buffers, known):
            axes[-1] = Axis((*axes[-1].iters, it), known.simplify(mul(axes[-1].extent, it.extent)))
        else:
            axes.append(Axis((it,), it.extent))
    return axes


def _continues(axis: Axis, it: IterVar, buffers: Sequence[Steps], known: Analyzer) -> bool:
    outer = axis.inner
    assert outer is not None
    return all(known.prove(steps[outer].eq(mul(steps[it.var], it.extent))) for steps in buffers)
