"""Elements around a tensor: a constant, a reflection, the border, or the other end. Negative pads crop."""

from __future__ import annotations

from typing import Final

from tondo.ir import (
    Const,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    all_of,
    const,
    is_const,
    maximum,
    minimum,
    select,
)
from tondo_ops.support.attributes import choice, extents, number, refuse
from tondo_ops.support.dims import ZERO, tidy
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start, want_elements

MODES: Final = ("constant", "reflect", "edge", "wrap")


def _ends(call: OpCall) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
    begin, end = extents(call, "begin"), extents(call, "end")
    if not len(begin) == len(end) == call.args[0].rank:
        refuse(call, "attributes 'begin' and 'end' need one item per dimension")
    return begin, end


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    choice(call, "mode", MODES, "constant")
    begin, end = _ends(call)
    shape = tuple(tidy(extent + before + after) for extent, before, after in zip(x.dims, begin, end, strict=True))
    if any(isinstance(extent, Const) and extent.value < 0 for extent in shape):
        refuse(call, "the pads crop more than there is")
    if choice(call, "mode", MODES, "constant") != "constant":
        want_elements(call, x.dims, shape)
    return (TensorType(shape, x.dtype),)


def moved(mode: str, position: Expr, extent: Expr) -> Expr:
    """Return where the element for ``position`` (which may lie outside) comes from."""
    match mode:
        case "edge":
            return minimum(maximum(position, ZERO), extent - 1)
        case "wrap":
            return position % extent
        case _:
            period = maximum((extent - 1) * 2, 1)
            folded = position % period
            return minimum(folded, period - folded) if not is_const(extent, 1) else ZERO


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    mode = choice(call, "mode", MODES, "constant")
    begin, end = _ends(call)
    builder, (x,) = start(call, "x")

    def value(*index: Expr) -> Expr:
        own: list[Expr] = []
        inside: list[Expr] = []
        for i, position in enumerate(index):
            shifted = position - begin[i]
            before, after = _may_grow(begin[i]), _may_grow(end[i])
            if mode != "constant":
                own.append(moved(mode, shifted, x.shape[i]) if before or after else shifted)
                continue
            own.append(shifted)
            if before:
                inside.append(shifted >= ZERO)
            if after:
                inside.append(shifted < x.shape[i])
        condition = all_of(inside)
        if condition is None:
            return at(x, own)
        return select(condition, at(x, own), const(number(call, "value", 0), x.dtype))

    return builder.build(builder.compute("y", out.dims, value))


def _may_grow(pad: Expr) -> bool:
    return not (isinstance(pad, Const) and pad.value <= 0)


OPERATORS: tuple[Operator, ...] = (Operator("pad", _infer, _define, "a tensor with elements added around it"),)
