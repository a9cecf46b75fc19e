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


def _minimum(a: Floats, b: Floats) -> Floats:
    return np.where(a < b, a, b)


def _maximum(a: Floats, b: Floats) -> Floats:
    return np.where(a > b, a, b)


def _rsqrt(a: Floats) -> Floats:
    return (np.float32(1) / np.sqrt(a)).astype(np.float32)


def _select(condition: Floats, a: Floats, b: Floats) -> Floats:
    return np.where(condition != 0, a, b)


def _less(a: Floats, b: Floats) -> Floats:
    return np.less(a, b).astype(np.float32)


def _less_equal(a: Floats, b: Floats) -> Floats:
    return np.less_equal(a, b).astype(np.float32)


def _equal(a: Floats, b: Floats) -> Floats:
    return np.equal(a, b).astype(np.float32)


_OPERATIONS: Final[dict[VectorOp, Callable[..., Floats]]] = {
    VectorOp.ADD: np.add,
    VectorOp.SUB: np.subtract,
    VectorOp.MUL: np.multiply,
    VectorOp.DIV: np.divide,
    VectorOp.MIN: _minimum,
    VectorOp.MAX: _maximum,
    VectorOp.NEG: np.negative,
    VectorOp.ABS: np.abs,
    VectorOp.SQRT: np.sqrt,
    VectorOp.RSQRT: _rsqrt,
    VectorOp.EXP: np.exp,
    VectorOp.LOG: np.log,
    VectorOp.TANH: np.tanh,
    VectorOp.ERF: _erf,
    VectorOp.SIGMOID: _sigmoid,
    VectorOp.LT: _less,
    VectorOp.LE: _less_equal,
    VectorOp.EQ: _equal,
    VectorOp.SELECT: _select,
}


def compute(item: Vector, operands: Sequence[Floats]) -> Floats:
    """Return what the program of ``item`` makes of ``operands``."""
    known: list[Floats] = [*operands, *(np.asarray(constant, np.float32) for constant in item.constants)]
    for operation, arguments in item.program:
        known.append(_OPERATIONS[operation](*(known[argument] for argument in arguments)))
    return known[-1]
