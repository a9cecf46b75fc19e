"""What the operations of the vector unit compute, in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from tondo_npu_runtime.isa import VectorOp

if TYPE_CHECKING:
    from tondo_npu_runtime.isa import Vector
    from tondo_npu_runtime.memory import Floats

_ERF: Final = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


def _erf(x: Floats) -> Floats:
    """Return the error function, with an absolute error below 2e-7.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
    """
    z = np.abs(x.astype(np.float64))
    t = 1.0 / (1.0 + 0.3275911 * z)
    total = np.zeros_like(z)
    for coefficient in reversed(_ERF):
        total = (total + coefficient) * t
    return np.copysign(1.0 - total * np.exp(-z * z), x).astype(np.float32)


def _sigmoid(x: Floats) -> Floats:
    return (1.0 / (1.0 + np.exp(-x.astype(np.float64)))).astype(np.float32)


def _condition(compare: Callable[[Floats, Floats], object]) -> Callable[..., Floats]:
    return lambda a, b: np.asarray(compare(a, b)).astype(np.float32)


_OPERATIONS: Final[dict[VectorOp, Callable[..., Floats]]] = {
    VectorOp.ADD: np.add,
    VectorOp.SUB: np.subtract,
    VectorOp.MUL: np.multiply,
    VectorOp.DIV: np.divide,
    VectorOp.MIN: lambda a, b: np.where(a < b, a, b),
    VectorOp.MAX: lambda a, b: np.where(a > b, a, b),
    VectorOp.NEG: np.negative,
    VectorOp.ABS: np.abs,
    VectorOp.SQRT: np.sqrt,
    VectorOp.RSQRT: lambda a: np.float32(1) / np.sqrt(a),
    VectorOp.EXP: np.exp,
    VectorOp.LOG: np.log,
    VectorOp.TANH: np.tanh,
    VectorOp.ERF: _erf,
    VectorOp.SIGMOID: _sigmoid,
    VectorOp.LT: _condition(np.less),
    VectorOp.LE: _condition(np.less_equal),
    VectorOp.EQ: _condition(np.equal),
    VectorOp.SELECT: lambda a, b, c: np.where(a != 0, b, c),
}


def compute(item: Vector, operands: Sequence[Floats]) -> Floats:
    """Return what the program of ``item`` makes of ``operands``."""
    known: list[Floats] = [*operands, *(np.asarray(constant, np.float32) for constant in item.constants)]
    with np.errstate(all="ignore"):
        for operation, arguments in item.program:
            known.append(_OPERATIONS[operation](*(known[argument] for argument in arguments)))
    return known[-1]
