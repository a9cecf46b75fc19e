"""Operations of the vector unit against numpy and Python's math."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tondo_npu_runtime.isa import ARITY, Affine, Place, Space, Vector, VectorOp
from tondo_npu_runtime.vector import compute

X = np.concatenate([np.linspace(-6, 6, 1001), [0.0, -0.0, np.inf, -np.inf, np.nan]]).astype(np.float32)
PLACE = Place(Space.SCRATCHPAD, Affine(0))


def apply(operation: VectorOp, *operands: np.ndarray) -> np.ndarray:
    places = (PLACE,) * len(operands)
    with np.errstate(all="ignore"):
        return compute(Vector(PLACE, (), places, (), ((operation, tuple(range(len(operands)))),)), operands)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (VectorOp.NEG, np.negative),
        (VectorOp.ABS, np.abs),
        (VectorOp.SQRT, np.sqrt),
        (VectorOp.RSQRT, lambda x: 1 / np.sqrt(x)),
        (VectorOp.EXP, np.exp),
        (VectorOp.LOG, np.log),
        (VectorOp.TANH, np.tanh),
        (VectorOp.ERF, np.vectorize(math.erf)),
        (VectorOp.SIGMOID, lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_functions_of_one_number(operation: VectorOp, expected: object) -> None:
    with np.errstate(all="ignore"):
        wanted = expected(X.astype(np.float64))
    np.testing.assert_allclose(apply(operation, X), wanted, rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (VectorOp.ADD, np.add),
        (VectorOp.SUB, np.subtract),
        (VectorOp.MUL, np.multiply),
        (VectorOp.DIV, np.divide),
        (VectorOp.MIN, lambda a, b: np.where(a < b, a, b)),
        (VectorOp.MAX, lambda a, b: np.where(a > b, a, b)),
        (VectorOp.LT, lambda a, b: (a < b).astype(np.float32)),
        (VectorOp.LE, lambda a, b: (a <= b).astype(np.float32)),
        (VectorOp.EQ, lambda a, b: (a == b).astype(np.float32)),
    ],
)
def test_functions_of_two_numbers(operation: VectorOp, expected: object) -> None:
    with np.errstate(all="ignore"):
        wanted = expected(X[:, None], X[None, ::7])
    made = apply(operation, X[:, None], X[None, ::7])
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, wanted)


def test_selection_and_the_table_of_operands() -> None:
    condition = (X > 0).astype(np.float32)
    np.testing.assert_array_equal(apply(VectorOp.SELECT, condition, X, -X), np.where(X > 0, X, -X))
    assert ARITY.keys() == set(VectorOp)
