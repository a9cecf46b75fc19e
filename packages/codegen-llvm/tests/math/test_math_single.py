"""Single precision: every function within its stated bound of numpy's double precision, special values included."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo_llvm.math import MATH_FUNCTIONS, arity, math_function

_ERF = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    t = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, t) / (1.0 + t)


REFERENCE = {
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "pow": np.power,
    "round": np.rint,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": _sigmoid,
    "erf": _ERF,
}

_EDGES = np.array(
    [
        0.0,
        0.5,
        1.0,
        2.0,
        1e-45,
        1.1754942e-38,
        1.1754944e-38,
        3.4028235e38,
        np.inf,
        9.01,
        1e5,
        100000.01,
        2.0**24,
        88.72283,
        88.72284,
        87.33655,
        103.27893,
        103.97208,
        104.0,
        128.0,
        127.99999,
        149.0,
        149.5,
        150.0,
        89.41598,
        89.5,
        2.5,
        3.5,
        0.49999997,
        8388607.5,
        16777217.0,
        33554433.0,
        0.99999994,
        1.0000001,
        3.0,
        4.0,
        5.0,
    ],
    np.float32,
)
EDGES = np.concatenate([_EDGES, -_EDGES, np.array([np.nan], np.float32)])


def reference(name: str, *arguments: np.ndarray) -> np.ndarray:
    function = REFERENCE.get(name) or getattr(np, name)
    with np.errstate(all="ignore"):
        return function(*(argument.astype(np.float64) for argument in arguments))


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Error in units in the last place; infinite where infinities, signs of zero or not-a-numbers differ."""
    with np.errstate(all="ignore"):
        rounded = want.astype(np.float32)
        size = np.minimum(np.abs(want), float(np.finfo(np.float32).max))
        unit = np.exp2(np.maximum(np.floor(np.log2(np.maximum(size, 1e-60))) - 23, -149))
        error = np.abs(got.astype(np.float64) - want) / unit
        both_nan = np.isnan(got) & np.isnan(want)
        same = (got == rounded) & (np.signbit(got) == np.signbit(rounded))
        error = np.where(both_nan | (same & ~np.isfinite(rounded)), 0.0, error)
        wrong_zero = (got == 0) & (rounded == 0) & ~same
    return np.where(np.isnan(error) | wrong_zero, np.inf, error)


def samples(name: str) -> tuple[np.ndarray, ...]:
    """Numbers of every exponent, dense ranges where functions bend, and the edges."""
    everything = np.arange(0, 2**32, 24_001, dtype=np.uint64).astype(np.uint32).view(np.float32)
    everything = np.where(np.isnan(everything), np.float32(np.nan), everything)  # casts of signalling ones warn
    generator = np.random.default_rng(7)
    if arity(name) == 2:
        base = np.concatenate(
            [
                everything,
                np.exp(generator.uniform(-20, 20, 40_000)),
                generator.uniform(0.9, 1.1, 40_000),
                generator.uniform(-5, 5, 20_000),
                np.repeat(EDGES, EDGES.size),
            ]
        )
        other = np.concatenate(
            [
                generator.permutation(everything),
                generator.uniform(-8, 8, 40_000),
                generator.uniform(-900, 900, 40_000),
                generator.integers(-9, 9, 20_000),
                np.tile(EDGES, EDGES.size),
            ]
        )
        return base.astype(np.float32), other.astype(np.float32)
    ranges = [np.linspace(-3, 3, 60_001), np.linspace(-120, 120, 60_001), np.linspace(-2e5, 2e5, 40_001)]
    if name in {"asin", "acos", "atanh"}:
        ranges.append(np.linspace(-1, 1, 80_001))
    return (np.concatenate([everything, EDGES, *ranges]).astype(np.float32),)


@pytest.mark.parametrize("old_machine", [False, True], ids=["fused", "baseline"])
@pytest.mark.parametrize("name", MATH_FUNCTIONS)
def test_error_bound(run_math: Any, name: str, old_machine: bool) -> None:
    arguments = samples(name)
    got = run_math(name, "float32", 8, old_machine)(*arguments)
    error = ulps(got, reference(name, *arguments))
    worst = int(np.argmax(error))
    place = [float(argument[worst]) for argument in arguments]
    assert error[worst] <= math_function(name, "float32", 8, ()).ulp, f"{name}{tuple(place)} = {got[worst]}"


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("name", MATH_FUNCTIONS)
def test_the_number_of_lanes_does_not_change_a_bit(run_math: Any, name: str, lanes: int) -> None:
    arguments = tuple(argument[-20_000:] for argument in samples(name))
    expected = run_math(name, "float32", 8, False)(*arguments)
    got = run_math(name, "float32", lanes, False)(*arguments)
    same = (got.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(got) & np.isnan(expected))
    assert same.all()


@settings(derandomize=True, deadline=None, max_examples=300)
@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=2), name=st.sampled_from(MATH_FUNCTIONS))
def test_any_bit_pattern(run_math: Any, bits: list[int], name: str) -> None:
    values = [np.array([pattern], np.uint32).view(np.float32) for pattern in bits]
    arguments = values[: arity(name)]
    got = run_math(name, "float32", 1, False)(*arguments)
    error = ulps(got, reference(name, *arguments))
    assert error[0] <= math_function(name, "float32", 1, ()).ulp


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_large_angles_in_one_lane_leave_the_others_alone(run_math: Any, name: str) -> None:
    x = np.full(64, 0.7, np.float32)
    x[5], x[40], x[41], x[63] = 1e30, -3e38, np.inf, 12345678.0
    got = run_math(name, "float32", 8, False)(x)
    assert (ulps(got, reference(name, x)) <= math_function(name, "float32", 8, ()).ulp).all()


def test_hardest_angles(run_math: Any) -> None:
    """Multiples of pi/2, rounded to single precision: the arguments closest to the functions' zeros."""
    multiples = np.unique(np.concatenate([np.arange(1, 60_000), np.exp2(np.linspace(16, 120, 4_000)).round()]))
    x = (multiples * (math.pi / 2)).astype(np.float32)
    for name in ("sin", "cos", "tan"):
        for old_machine in (False, True):
            error = ulps(run_math(name, "float32", 8, old_machine)(x), reference(name, x))
            assert error.max() <= math_function(name, "float32", 8, ()).ulp


def test_powers_of_two_are_exact(run_math: Any) -> None:
    exponents = np.arange(-149, 128, dtype=np.float32)
    powers = np.ldexp(np.float32(1.0), exponents.astype(np.int32))
    np.testing.assert_array_equal(run_math("exp2", "float32", 8, False)(exponents), powers)
    np.testing.assert_array_equal(run_math("log2", "float32", 8, False)(powers), exponents)


def test_exact_powers(run_math: Any) -> None:
    base, exponent = np.meshgrid(np.arange(-12, 13), np.arange(0, 6))
    got = run_math("pow", "float32", 8, False)(base.ravel(), exponent.ravel())
    np.testing.assert_array_equal(got, (base.astype(float) ** exponent).ravel().astype(np.float32))


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "cos", "sigmoid"])
def test_bounded_functions_stay_in_their_range(run_math: Any, name: str) -> None:
    got = run_math(name, "float32", 8, False)(*samples(name))
    finite = got[~np.isnan(got)]
    assert finite.max() <= 1.0
    assert finite.min() >= (0.0 if name == "sigmoid" else -1.0)
