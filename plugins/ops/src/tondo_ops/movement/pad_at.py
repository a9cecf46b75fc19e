"""Cuts and borders whose place is known at run time: begins and steps are tensors, only the result's shape is not.

slice_at(x, begin, step):   y[i...] = x[begin + i * step]
pad_at(x, begin, [value]):  y[i...] = x[i - begin], or what the mode puts outside
"""

from __future__ import annotations

from tondo.ir import Expr, OpCall, Operator, TensorFunction, TensorType, all_of, const, maximum, minimum, select
from tondo_ops.movement.pad import MODES, moved
from tondo_ops.support.attributes import choice, extents, refuse
from tondo_ops.support.dims import ZERO
from tondo_ops.support.indices import at
from tondo_ops.support.typing import agree, count, start, want_integer, want_rank


def _shape(call: OpCall) -> tuple[Expr, ...]:
    shape = extents(call, "shape")
    if len(shape) != call.args[0].rank:
        refuse(call, f"attribute 'shape' has {len(shape)} items, {call.args[0].rank} are needed")
    return shape


def _vector(call: OpCall, value: TensorType) -> None:
    """Refuse what is not an integer per dimension of the first argument."""
    want_integer(call, value)
    want_rank(call, value, 1)
    agree(call, value.dims[0], const(call.args[0].rank), "length of an argument and the rank")


def _infer_pad(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 2, 3)
    x = call.args[0]
    _vector(call, call.args[1])
    choice(call, "mode", MODES, "constant")
    for value in call.args[2:]:
        want_rank(call, value, 0)
        if value.dtype != x.dtype:
            refuse(call, f"the value has dtype {value.dtype}, the tensor {x.dtype}")
    return (TensorType(_shape(call), x.dtype),)


def _define_pad(call: OpCall) -> TensorFunction:
    (out,) = _infer_pad(call)
    builder, (x, begin, *filler) = start(call, "x", "begin", "value")
    mode = choice(call, "mode", MODES, "constant")

    def value(*index: Expr) -> Expr:
        places = [position - at(begin, (const(i),)) for i, position in enumerate(index)]
        if mode != "constant":
            own = [moved(mode, place, x.shape[i]) for i, place in enumerate(places)]
            return at(x, [maximum(minimum(place, x.shape[i] - 1), ZERO) for i, place in enumerate(own)])
        inside = all_of([test for i, place in enumerate(places) for test in (place >= ZERO, place < x.shape[i])])
        outside = at(filler[0], ()) if filler else const(0, x.dtype)
        return at(x, places) if inside is None else select(inside, at(x, places), outside)

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("pad_at", _infer_pad, _define_pad, "a tensor with elements around it, as many as a tensor says"),
)
