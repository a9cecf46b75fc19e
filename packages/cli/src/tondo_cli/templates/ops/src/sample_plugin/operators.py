"""Operators: a type rule and a definition as a tensor function each.

The definition is all that the compiler needs: fusion, layout, vectors and threads follow from what it computes.
"""

from __future__ import annotations

from typing import Final

from tondo.diagnostics import fail
from tondo.ir import Compute, Expr, OpCall, Operator, TensorFunction, TensorType, const, maximum, minimum


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    """One floating-point tensor; the result is like it."""
    if len(call.args) != 1 or not call.args[0].dtype.is_float:
        fail("TND-M006", f"'{call.op}' takes one floating-point tensor")
    return (call.args[0],)


def _define(call: OpCall) -> TensorFunction:
    """``y[i] = x[i] * min(max(x[i] + 3, 0), 6) / 6``."""
    (kind,) = _infer(call)
    builder = Compute("hard_swish")
    x = builder.input("x", kind)

    def value(*index: Expr) -> Expr:
        gate = minimum(maximum(x[index] + 3.0, const(0, kind.dtype)), const(6, kind.dtype))
        return x[index] * gate * (1.0 / 6.0)

    return builder.build(builder.compute("y", kind.dims, value))


HARD_SWISH: Final = Operator("sample_plugin.hard_swish", _infer, _define, "``x * relu6(x + 3) / 6``")

OPERATORS: Final = (HARD_SWISH,)
