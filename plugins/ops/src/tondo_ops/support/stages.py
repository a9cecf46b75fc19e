"""The reduction stage as operators need it: nothing to reduce, and reductions over nothing, included."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tondo.ir import Buffer, Combiner, Compute, Expr, Var, identity, is_const


def reduction(
    builder: Compute,
    name: str,
    shape: Sequence[Expr],
    over: Sequence[Expr],
    value: Callable[..., Expr],
    combiner: Combiner = "sum",
    *,
    init: Expr | None = None,
) -> Buffer:
    """Add the stage that combines ``value(*spatial, *reduced)`` over the extents ``over``.

    Without extents the stage is elementwise. If one of them is the literal 0, no step of a reduction would run and
    its result would stay undefined: the stage then writes the neutral element (or ``init``).
    """
    if not over and init is None:
        return builder.compute(name, shape, value)
    if not any(is_const(extent, 0) for extent in over):
        return builder.reduce(name, shape, over, value, combiner, init=init)
    element = value(*(Var(f"{name}_{i}") for i in range(len(shape) + len(over))))
    neutral = identity(combiner, element.dtype) if init is None else init
    return builder.compute(name, shape, lambda *_: neutral)
