"""Running sums and products along an axis.

The definition is one block over the other axes; its body walks along the axis, so the block's instances are
independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable

from tondo.ir import Buffer, Const, Expr, For, OpCall, Operator, Store, TensorFunction, TensorType, Var, const, select
from tondo_ops.support.attributes import axis_of, flag, refuse
from tondo_ops.support.indices import at, insert
from tondo_ops.support.opaque import Nest, function_of
from tondo_ops.support.typing import count, start, want_numeric


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    want_numeric(call, call.args[0])
    if call.args[0].rank == 0:
        refuse(call, "needs at least one dimension")
    axis_of(call, call.args[0].rank, default=0)
    return call.args


def _scan(name: str, combine: Callable[[Expr, Expr], Expr], neutral: int, doc: str) -> Operator:
    def define(call: OpCall) -> TensorFunction:
        (out,) = _infer(call)
        axis = axis_of(call, out.rank, default=0)
        exclusive, reverse = flag(call, "exclusive", default=False), flag(call, "reverse", default=False)
        _, (x,) = start(call, "x")
        y = Buffer("y", out.dims, out.dtype)
        size = out.dims[axis]
        nest = Nest("scan", (*out.dims[:axis], *out.dims[axis + 1 :]))
        step = Var("step")

        def place(number: Expr) -> tuple[Expr, ...]:
            return insert(nest.index, axis, size - 1 - number if reverse else number)

        start_value = const(neutral, out.dtype)
        before = place(step - 1)
        if exclusive:
            value = select(step > 0, combine(at(y, before), at(x, before)), start_value)
        else:
            value = combine(select(step > 0, at(y, before), start_value), at(x, place(step)))
        body = For(step, Const(0), size, Store(y, place(step), value))
        along = frozenset({axis})
        return function_of(call.op, (x,), (y,), nest.block(body, (nest.around(x, along),), (nest.around(y, along),)))

    return Operator(name, _infer, define, doc)


OPERATORS: tuple[Operator, ...] = (
    _scan("cumsum", lambda a, b: a + b, 0, "running sum along an axis"),
    _scan("cumprod", lambda a, b: a * b, 1, "running product along an axis"),
)
