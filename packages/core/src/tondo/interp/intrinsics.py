"""The intrinsic functions of :mod:`tondo.ir.intrinsics`, by numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from tondo.diagnostics import fail
from tondo.interp.arithmetic import maximum, minimum
from tondo.interp.values import Value, plain
from tondo.ir import Intrin

_erf = np.frompyfunc(math.erf, 1, 1)


def _error_function(x: np.ndarray) -> np.ndarray:
    return np.asarray(_erf(x.astype(np.float64)), np.float64)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    one = x.dtype.type(1)
    return one / (one + np.exp(-x))


def _rsqrt(x: np.ndarray) -> np.ndarray:
    return x.dtype.type(1) / np.sqrt(x)


def _fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    if a.dtype == np.float64:
        return a * b + c
    # Products of narrower floats are exact in float64.
    return a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)


def _lanes(function: Callable[[Value, Value], Value]) -> Callable[[np.ndarray], np.ndarray]:
    def reduce(x: np.ndarray) -> np.ndarray:
        result = x[..., 0]
        for lane in range(1, x.shape[-1]):
            result = function(result, x[..., lane])
        return np.asarray(result)

    return reduce


_TABLE: Final[dict[str, Callable[..., np.ndarray]]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": _rsqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": _error_function,
    "sigmoid": _sigmoid,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "abs": np.abs,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "pow": np.power,
    "atan2": np.arctan2,
    "fmod": np.fmod,
    "fma": _fma,
    "popcount": np.bitwise_count,
    "reduce_add": _lanes(np.add),
    "reduce_mul": _lanes(np.multiply),
    "reduce_max": _lanes(maximum),
    "reduce_min": _lanes(minimum),
}


def intrinsic(expr: Intrin) -> Callable[..., Value]:
    """Return the function of one intrinsic call, from argument values to the result.

    Types narrower than 32 bits are computed in float32 and rounded once.

    Raises:
        TondoError: TND-R003 if the interpreter does not know the name.
    """
    target = expr.dtype
    sources = [arg.dtype for arg in expr.args]
    if expr.name == "prefetch":
        return lambda *_: 0
    if expr.name == "reinterpret":
        return partial(_reinterpret, expr)
    function = _TABLE.get(expr.name)
    if function is None:
        fail("TND-R003", f"the interpreter does not know the intrinsic '{expr.name}'", span=expr.span)
    narrow = sources[0].is_float and sources[0].bits < 32

    def call(*args: Value) -> Value:
        arrays = [np.asarray(arg, source.numpy) for arg, source in zip(args, sources, strict=True)]
        if narrow:
            arrays = [array.astype(np.float32) for array in arrays]
        return _finish(np.asarray(function(*arrays)).astype(target.numpy), expr)

    return call


def _reinterpret(expr: Intrin, value: Value) -> Value:
    return _finish(np.asarray(value, expr.args[0].dtype.numpy).view(expr.dtype.numpy), expr)


def _finish(result: np.ndarray, expr: Intrin) -> Value:
    return result if result.ndim else plain(result[()], expr.dtype)
