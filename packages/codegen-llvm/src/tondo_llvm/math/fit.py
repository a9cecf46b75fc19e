"""Derive the polynomial coefficients of :mod:`tondo_llvm.math.coefficients`.

A tool for developers, ``python -m tondo_llvm.math.fit`` prints the table; only the test of the table imports it.

Each polynomial is a weighted minimax fit on a Chebyshev grid: Lawson's iteratively reweighted least squares, then one
coefficient after the other, from the lowest power, is rounded to the target precision and the rest is fitted again.
Targets are evaluated in extended precision. Needs numpy only.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Extended = np.ndarray
_LOG2E = np.longdouble("1.44269504088896340735992468100189214")
_LN2 = np.longdouble("0.693147180559945309417232121458176568")
_LN10 = np.longdouble("2.30258509299404568401799145468436421")


@dataclass(frozen=True)
class Fit:
    """``target(t)`` on ``[low, high]`` by a polynomial of ``degree``; ``weight(t)`` turns errors into relative ones.

    ``limit`` bounds the weighted error that the rounded polynomial must reach.
    """

    name: str
    target: Callable[[Extended], Extended]
    weight: Callable[[Extended], Extended]
    low: float
    high: float
    degree: int
    limit: float
    dtype: type = np.float32


def grid(fit: Fit, points: int = 1500) -> Extended:
    """Chebyshev points of the interval, without those so near zero that the target's formula cancels."""
    angle = np.pi * (np.arange(points) + 0.5) / points
    at = (fit.low + fit.high) / 2 + (fit.high - fit.low) / 2 * np.cos(angle)
    return at[np.abs(at) > 2e-4 * max(abs(fit.low), abs(fit.high))].astype(np.longdouble)


def solve(fit: Fit) -> list[float]:
    """Coefficients from the lowest power, rounded to ``fit.dtype``."""
    at = grid(fit)
    values, weights = fit.target(at), fit.weight(at)
    fixed: list[float] = []
    while len(fixed) <= fit.degree:
        done = sum((np.longdouble(c) * at**power for power, c in enumerate(fixed)), np.zeros_like(at))
        rest = _lawson(at, values - done, weights, range(len(fixed), fit.degree + 1), max(abs(fit.low), abs(fit.high)))
        fixed.append(float(fit.dtype(rest[0])))
    return fixed


def error(fit: Fit, coefficients: list[float]) -> float:
    """Largest weighted error of the polynomial on a grid finer than that of the fit."""
    at = grid(fit, 7001)
    value = sum((np.longdouble(c) * at**power for power, c in enumerate(coefficients)), np.zeros_like(at))
    return float(np.max(np.abs((value - fit.target(at)) * fit.weight(at))))


def _lawson(at: Extended, values: Extended, weights: Extended, powers: range, scale: float) -> np.ndarray:
    matrix = np.stack([(at / scale) ** power * weights for power in powers], axis=1).astype(np.float64)
    goal = (values * weights).astype(np.float64)
    lawson = np.full(len(at), 1.0 / len(at))
    best, best_error = np.zeros(len(powers)), np.inf
    for _ in range(60):
        root = np.sqrt(lawson)
        solution = np.linalg.lstsq(matrix * root[:, None], goal * root, rcond=None)[0]
        residual = np.abs(matrix @ solution - goal)
        if residual.max() < best_error:
            best, best_error = solution, residual.max()
        lawson *= residual + 1e-30
        lawson /= lawson.sum()
    return best / np.array([np.float64(scale) ** power for power in powers])


def _erfc(at: Extended) -> Extended:
    return np.array([math.erfc(float(a)) for a in at], np.longdouble)


def _erf(at: Extended) -> Extended:
    return np.array([math.erf(float(a)) for a in at], np.longdouble)


def _one(at: Extended) -> Extended:
    return np.ones_like(at)


def _root(function: Callable[[Extended], Extended]) -> Callable[[Extended], Extended]:
    """An odd function f as (f(x) / x - 1) / z with z = x * x."""
    return lambda z: (function(np.sqrt(z)) / np.sqrt(z) - 1) / z


_HALF_LN2 = 0.3466
_QUARTER_PI = 0.79  # and a little: the multiple of pi/2 is chosen in single precision
_SQRT_LOW, _SQRT_HIGH = math.sqrt(0.5) - 1, math.sqrt(2) - 1

FITS = (
    # exp(r) = 1 + r + r^2 * p(r)
    Fit("EXP", lambda r: (np.expm1(r) - r) / r**2, lambda r: r**2, -_HALF_LN2, _HALF_LN2, 4, 4e-9),
    # 2^r = 1 + r * p(r)
    Fit("EXP2", lambda r: np.expm1(r * _LN2) / r, lambda r: r, -0.5, 0.5, 5, 5e-9),
    # expm1(r) = r + r^2 * p(r), relative to r
    Fit("EXPM1", lambda r: (np.expm1(r) - r) / r**2, lambda r: r, -_HALF_LN2, _HALF_LN2, 4, 2e-8),
    # log(1 + f) = f + f^2 * p(f), relative to f
    Fit("LOG", lambda f: (np.log1p(f) - f) / f**2, lambda f: f, _SQRT_LOW, _SQRT_HIGH, 8, 2e-8),
    # log2(1 + f) = f * log2(e) + f^2 * p(f)
    Fit("LOG2", lambda f: (np.log1p(f) - f) * _LOG2E / f**2, lambda f: f, _SQRT_LOW, _SQRT_HIGH, 8, 3e-8),
    # log10(1 + f) = f * log10(e) + f^2 * p(f)
    Fit("LOG10", lambda f: (np.log1p(f) - f) / _LN10 / f**2, lambda f: f, _SQRT_LOW, _SQRT_HIGH, 8, 1e-8),
    # f(x) = x + x^3 * p(x^2)
    Fit("SIN", _root(np.sin), lambda z: z, 0.0, _QUARTER_PI**2, 2, 2e-8),
    Fit("SINH", _root(np.sinh), lambda z: z, 0.0, 1.0, 3, 6e-9),
    Fit("ASIN", _root(np.arcsin), lambda z: z, 0.0, 0.25, 4, 8e-9),
    Fit("ATAN", _root(np.arctan), lambda z: z, 0.0, 1.0, 8, 5e-9),
    # cos(x) = 1 - x^2 / 2 + x^4 * p(x^2)
    Fit("COS", lambda z: (np.cos(np.sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2, 0.0, _QUARTER_PI**2, 2, 4e-9),
    # erf(x) = x + x * p(x^2) for |x| <= 1
    Fit("ERF_SMALL", lambda z: _erf(np.sqrt(z)) / np.sqrt(z) - 1, _one, 0.0, 1.0, 6, 1.5e-8),
    # log(erfc(a)) = p(a) for 1 <= a <= 4, relative to erf, where only erfc times the error counts
    Fit("ERF_LARGE", lambda a: np.log(_erfc(a)), _erfc, 1.0, 4.0, 5, 2e-8),
    # log2((1 + s) / (1 - s)) = s * p(s^2), and 2^r = 1 + r * p(r), in double precision for pow
    Fit(
        "POW_LOG2",
        lambda z: 2 * np.arctanh(np.sqrt(z)) * _LOG2E / np.sqrt(z),
        _one,
        0.0,
        (3 - 2 * math.sqrt(2)) ** 2 * 1.0001,
        4,
        2e-11,
        np.float64,
    ),
    Fit("POW_EXP2", lambda r: np.expm1(r * _LN2) / r, lambda r: r, -0.5, 0.5, 6, 1e-10, np.float64),
)


def main() -> None:
    """Print the table as Python text."""
    for fit in FITS:
        coefficients = solve(fit)
        values = "".join(f"    {coefficient!r},\n" for coefficient in coefficients)
        sys.stdout.write(f"# weighted error {error(fit, coefficients):.1e}\n{fit.name} = (\n{values})\n")


if __name__ == "__main__":
    main()
