"""Double precision against numpy's extended precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tondo_llvm.math import MATH_FUNCTIONS, arity, math_function

_INVERSE = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_HYPERBOLIC = {"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"}
_NUMPY = {**_INVERSE, **_HYPERBOLIC, "pow": "power", "round": "rint"}


def _reference(name: str, *arguments: np.ndarray) -> np.ndarray:
    wide = [argument.astype(np.longdouble) for argument in arguments]
    with np.errstate(all="ignore"):
        if name == "sigmoid":
            return 1 / (1 + np.exp(-wide[0]))
        if name == "rsqrt":
            return 1 / np.sqrt(wide[0])
        if name == "erf":
            return np.array([math.erf(float(value)) for value in arguments[0]], np.longdouble)
        return getattr(np, _NUMPY.get(name, name))(*wide)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="needs a long double wider than double")
@pytest.mark.parametrize("lanes", [1, 4, 8])
@pytest.mark.parametrize("name", MATH_FUNCTIONS)
def test_error_bound(run_math: Any, name: str, lanes: int) -> None:
    generator = np.random.default_rng(3)
    near = generator.uniform(-1, 1, 2_000)
    if name in {"asin", "acos", "atanh"}:
        arguments: list[np.ndarray] = [near]
    elif name in {"log", "log2", "log10", "sqrt", "rsqrt", "pow"}:
        arguments = [np.exp(40 * near)]
    elif name == "acosh":
        arguments = [1 + np.abs(near) * 30]
    else:
        arguments = [np.concatenate([near, near * 30, near * 300])]
    if arity(name) == 2:
        arguments.append(generator.uniform(-7, 7, arguments[0].size))
    got = run_math(name, "float64", lanes, False)(*arguments)
    want = _reference(name, *arguments)
    rounded = want.astype(np.float64)
    keep = np.isfinite(rounded) & (np.abs(rounded) > 1e-290)
    error = np.abs(got - want)[keep] / np.spacing(np.abs(rounded))[keep].astype(np.longdouble)
    assert error.max() <= math_function(name, "float64", lanes, ()).ulp + 0.01
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
