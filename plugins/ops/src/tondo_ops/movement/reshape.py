"""Other shapes of the same elements in the same order: reshape, squeeze, unsqueeze, flatten."""

from __future__ import annotations

from collections.abc import Callable

from tondo.ir import Const, Expr, OpCall, Operator, TensorFunction, TensorType, is_const
from tondo_ops.movement.layout import source_index
from tondo_ops.support.attributes import axes_of, extents, integer, ints, optional_ints, refuse
from tondo_ops.support.dims import ONE, differ, exact_quotient, product, text
from tondo_ops.support.indices import at
from tondo_ops.support.typing import agree, count, start

Shape = Callable[[OpCall], tuple[Expr, ...]]


def _reshape(call: OpCall) -> tuple[Expr, ...]:
    (x,) = call.args
    wanted = list(extents(call, "shape"))
    unknown = [axis for axis, extent in enumerate(wanted) if is_const(extent, -1)]
    if len(unknown) > 1 or any(isinstance(extent, Const) and extent.value < -1 for extent in wanted):
        refuse(call, "attribute 'shape' may hold one -1 and no other negative sizes")
    if unknown:
        rest = [extent for axis, extent in enumerate(wanted) if axis != unknown[0]]
        if any(is_const(extent, 0) for extent in rest):
            refuse(call, "a size next to 0 cannot be computed")
        wanted[unknown[0]] = exact_quotient(x.dims, rest)
    have, filled = product(x.dims), product(wanted)
    if differ(filled, have):
        refuse(call, f"{text(have)} elements do not fill the shape [{', '.join(text(d) for d in wanted)}]")
    call.take(have, filled)
    return tuple(wanted)


def _squeeze(call: OpCall) -> tuple[Expr, ...]:
    (x,) = call.args
    wanted = optional_ints(call, "axes")
    if wanted is None:
        return tuple(extent for extent in x.dims if not is_const(extent, 1))
    axes = axes_of(call, wanted, x.rank)
    for axis in axes:
        agree(call, x.dims[axis], ONE, f"dimension {axis} must be 1")
    return tuple(extent for axis, extent in enumerate(x.dims) if axis not in axes)


def _unsqueeze(call: OpCall) -> tuple[Expr, ...]:
    (x,) = call.args
    wanted = ints(call, "axes")
    rank = x.rank + len(wanted)
    axes = axes_of(call, wanted, rank)
    rest = iter(x.dims)
    return tuple(ONE if axis in axes else next(rest) for axis in range(rank))


def _flatten(call: OpCall) -> tuple[Expr, ...]:
    (x,) = call.args
    axis = integer(call, "axis", 1)
    if not -x.rank <= axis <= x.rank:
        refuse(call, f"axis {axis} is out of range for rank {x.rank}")
    cut = axis + x.rank if axis < 0 else axis
    return (product(x.dims[:cut]), product(x.dims[cut:]))


def _view(name: str, shape: Shape, doc: str) -> Operator:
    def infer(call: OpCall) -> tuple[TensorType, ...]:
        count(call, 1)
        return (TensorType(shape(call), call.args[0].dtype),)

    def define(call: OpCall) -> TensorFunction:
        (out,) = infer(call)
        builder, (x,) = start(call, "x")
        return builder.build(builder.compute("y", out.dims, lambda *i: at(x, source_index(x.shape, out.dims, i))))

    return Operator(name, infer, define, doc)


OPERATORS: tuple[Operator, ...] = (
    _view("reshape", _reshape, "the same elements in another shape"),
    _view("squeeze", _squeeze, "without dimensions of size 1"),
    _view("unsqueeze", _unsqueeze, "with new dimensions of size 1"),
    _view("flatten", _flatten, "as a matrix: dimensions before and from an axis"),
)
