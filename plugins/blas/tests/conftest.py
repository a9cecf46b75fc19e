"""Operators as the tensor functions that the library is shown, and what it brings in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import Attrs, Const, OpCall, TensorFunction, TensorType, Var, dtype
from tondo.passes import Miss, Offer
from tondo.passes.library import place
from tondo.target import BASELINE_PROVIDERS, Target, parse_target
from tondo_blas.library import OpenBlas
from tondo_ops import OPERATORS
from tondo_passes.tensor import lower_function

Defined = Callable[..., TensorFunction]
Check = Callable[[TensorFunction, Sequence[np.ndarray], float], Offer]


@pytest.fixture(scope="session")
def target() -> Target:
    """A CPU with vectors of four floats."""
    return parse_target("cpu=generic,threads=2", BASELINE_PROVIDERS)


def _defined(op: str, *arrays: np.ndarray, sizes: Sequence[int] = (), **attrs: object) -> TensorFunction:
    """Return the definition of ``op`` for ``arrays``, with symbolic dimensions for the sizes ``sizes``."""
    types = [
        TensorType(tuple(Var(f"d{size}") if size in sizes else Const(size) for size in array.shape), dtype(array.dtype))
        for array in arrays
    ]
    return OPERATORS[op].define(OpCall(op, tuple(types), Attrs(attrs)))


@pytest.fixture
def defined() -> Defined:
    """See :func:`_defined`."""
    return _defined


@pytest.fixture
def check(target: Target) -> Check:
    """Assert that the library takes a function and that what it brings computes the same, as it is and lowered."""

    def run(function: TensorFunction, arrays: Sequence[np.ndarray], tolerance: float) -> Offer:
        offer = OpenBlas().match(function, target)
        assert not isinstance(offer, Miss), offer
        brought = place(function, "openblas", offer)
        values = {var.name: int(var.name[1:]) for var in function.scalars}
        expected = run_tensor_function(function, arrays, None, values)[0]
        found = run_tensor_function(brought, arrays, None, values)[0]
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        flat = [array.reshape(-1) for array in arrays]
        lowered = run_tensor_function(lower_function(brought), flat, None, values)[0]
        np.testing.assert_allclose(lowered.reshape(expected.shape), expected, rtol=tolerance, atol=tolerance)
        return offer

    return run


@pytest.fixture
def numbers() -> Callable[..., np.ndarray]:
    """Random arrays, by shape and type."""

    def make(*shape: int, kind: type = np.float32, seed: int = 0) -> np.ndarray:
        return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(kind)

    return make
