"""Scalars and vectors against numpy in the exact dtype."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp import evaluate_expr
from tondo.interp.values import poisoned
from tondo.ir import (
    BOOL,
    FLOAT32,
    INT64,
    INTRINSICS,
    Binary,
    Broadcast,
    Buffer,
    Cast,
    Compare,
    Const,
    Load,
    Ramp,
    Select,
    Unary,
    Var,
    const,
    dims,
    dtype,
    intrin,
)

FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTS = ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"]


def scalars(name: str):
    x, y = Var("x", dtype(name)), Var("y", dtype(name))
    return x, y, dtype(name).numpy.type


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    ("op", "function"), [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)]
)
def test_float_arithmetic_rounds_at_each_operation(name, op, function):
    x, y, kind = scalars(name)
    for a, b in [(1.1, 3.3), (1e-4, 7.0), (-2.7, 0.3), (65000.0, 65000.0)]:
        value = evaluate_expr(Binary(op, x, y), {x: kind(a), y: kind(b)})
        with np.errstate(over="ignore"):
            assert value == function(kind(a), kind(b))
        assert value.dtype == dtype(name).numpy


@pytest.mark.parametrize("name", INTS)
@given(a=st.integers(-(2**31), 2**32), b=st.integers(-(2**31), 2**32), op=st.sampled_from(["add", "sub", "mul"]))
def test_integers_wrap(name, a, b, op):
    x, y, _ = scalars(name)
    kind = dtype(name)
    a, b = (int(np.array(v).astype(np.int64).astype(kind.numpy)) for v in (a, b))
    exact = {"add": a + b, "sub": a - b, "mul": a * b}[op] % 2**kind.bits
    value = evaluate_expr(Binary(op, x, y), {x: _hold(a, name), y: _hold(b, name)})
    assert int(value) % 2**kind.bits == exact
    assert np.asarray(value).dtype == kind.numpy


def _hold(value, name):
    return value if name == "int64" else dtype(name).numpy.type(value)


@pytest.mark.parametrize("name", ["int8", "int32", "int64", "uint8"])
def test_division_and_shifts(name):
    x, y, _ = scalars(name)
    low = 0 if name.startswith("u") else -9
    for a in range(low, 10):
        for b in [*range(low, 0), *range(1, 6)]:
            env = {x: _hold(a, name), y: _hold(b, name)}
            value = {
                op: int(evaluate_expr(Binary(op, x, y), env)) for op in ("floordiv", "floormod", "truncdiv", "truncmod")
            }
            assert value == {
                "floordiv": a // b,
                "floormod": a % b,
                "truncdiv": int(a / b),
                "truncmod": int(math.fmod(a, b)),
            }
    env = {x: _hold(5, name), y: _hold(1, name)}
    assert int(evaluate_expr(Binary("shl", x, y), env)) == 10
    assert int(evaluate_expr(Binary("shr", x, y), env)) == 2
    assert int(evaluate_expr(Binary("xor", x, y), env)) == 4
    assert int(evaluate_expr(Binary("and", x, y), env)) == 1
    assert int(evaluate_expr(Binary("or", x, y), env)) == 5


def test_minimum_and_maximum_of_nan_give_the_right_operand():
    x, y, kind = scalars("float32")
    nan = kind(np.nan)
    for op in ("min", "max"):
        assert evaluate_expr(Binary(op, x, y), {x: nan, y: kind(1)}) == 1
        assert np.isnan(evaluate_expr(Binary(op, x, y), {x: kind(1), y: nan}))
        lanes = evaluate_expr(Binary(op, x, y), {x: np.array([np.nan, 1, 2], kind), y: np.array([1, np.nan, 3], kind)})
        np.testing.assert_array_equal(lanes, [1, np.nan, 2 if op == "min" else 3])


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("float32", "int32", -2.7, -2),
        ("float32", "int8", 2.7, 2),
        ("float64", "int64", -1e10 - 0.5, -10000000000),
        ("bfloat16", "int32", -2.75, -2),
        ("int32", "int8", 300, 44),
        ("int64", "uint8", -1, 255),
        ("float32", "bool", 0.5, True),
        ("float32", "bool", np.nan, True),
        ("int32", "bool", 0, False),
        ("bool", "float32", True, 1.0),
        ("float32", "bfloat16", 1.01, ml_dtypes.bfloat16(1.01)),
        ("float64", "float16", 1e6, np.inf),
    ],
)
def test_casts(source, target, value, expected):
    x = Var("x", dtype(source))
    held = value if source in {"int64", "bool"} else dtype(source).numpy.type(value)
    result = evaluate_expr(Cast(dtype(target), x), {x: held})
    assert result == expected
    assert np.asarray(result).dtype == dtype(target).numpy
    lanes = evaluate_expr(Cast(dtype(target), x), {x: np.array([value, value], dtype(source).numpy)})
    assert lanes.dtype == dtype(target).numpy
    assert (lanes == expected).all()


_NUMPY = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "erf": np.vectorize(math.erf),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc,
    "abs": np.abs,
}  # fmt: skip
_POINTS = np.array([0.1, 0.3, 0.5, 0.77, 0.9])


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("function", sorted(_NUMPY))
def test_unary_intrinsics(name, function):
    x = Var("x", dtype(name))
    points = (_POINTS + (1.5 if function == "acosh" else 0)).astype(dtype(name).numpy)
    result = evaluate_expr(intrin(function, x), {x: points})
    assert result.dtype == dtype(name).numpy
    expected = _NUMPY[function](points.astype(np.float64))
    tolerance = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-6, "float64": 1e-14}[name]
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=tolerance, atol=tolerance / 10)


def test_other_intrinsics():
    x, y, kind = scalars("float32")
    a, b = np.array([1.5, -2.0, np.nan, np.inf], kind), np.array([2.0, 3.0, 1.0, 1.0], kind)
    env = {x: a, y: b}
    np.testing.assert_array_equal(evaluate_expr(intrin("isnan", x, dtype=BOOL), env), np.isnan(a))
    np.testing.assert_array_equal(evaluate_expr(intrin("isinf", x, dtype=BOOL), env), np.isinf(a))
    np.testing.assert_array_equal(evaluate_expr(intrin("pow", x, y), env), np.power(a, b))
    np.testing.assert_array_equal(evaluate_expr(intrin("atan2", x, y), env), np.arctan2(a, b))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(evaluate_expr(intrin("fmod", y, x), env), np.fmod(b, a))
    np.testing.assert_array_equal(evaluate_expr(intrin("reinterpret", x, dtype=dtype("int32")), env), a.view(np.int32))
    n = Var("n", dtype("int32"))
    assert evaluate_expr(intrin("popcount", n), {n: np.int32(0b1011)}) == 3
    eps = kind(2**-12)
    fused = evaluate_expr(intrin("fma", x, x, y), {x: kind(1) + eps, y: kind(-1)})
    assert fused == kind((1 + 2**-12) ** 2 - 1)


def test_every_intrinsic_is_covered():
    tested = {*_NUMPY, "isnan", "isinf", "pow", "atan2", "fmod", "fma", "popcount", "reinterpret"}
    assert {name for name in INTRINSICS if not name.startswith("reduce_")} - {"prefetch"} == tested


def test_lane_reductions():
    vector = Ramp(const(1.0), const(2.0), 4)
    for name, expected in (("add", 16), ("mul", 105), ("max", 7), ("min", 1)):
        value = evaluate_expr(intrin(f"reduce_{name}", vector, dtype=FLOAT32), {})
        assert value == expected
        assert np.ndim(value) == 0


def test_vectors():
    i = Var("i")
    ramp = Ramp(i * 4, Const(2), 4)
    np.testing.assert_array_equal(evaluate_expr(ramp + Broadcast(i, 4), {i: 3}), [15, 17, 19, 21])
    np.testing.assert_array_equal(evaluate_expr(Compare("lt", ramp, Broadcast(Const(15), 4)), {i: 3}), [1, 1, 0, 0])


BUFFER = Buffer("b", dims((4,)), FLOAT32)
DATA = np.array([1, 2, 3, 4], np.float32)


def test_masked_load_does_not_touch_false_lanes():
    i = Var("i")
    lanes = Ramp(i, Const(1), 4)
    load = Load(BUFFER, (lanes,), Compare("lt", lanes, Broadcast(Const(4), 4)))
    np.testing.assert_array_equal(evaluate_expr(load, {i: 2}, {BUFFER: DATA}), [3, 4, 0, 0])
    with pytest.raises(TondoError, match=r"load of b\[4\] is outside of its shape \(4\)"):
        evaluate_expr(Load(BUFFER, (lanes,)), {i: 2}, {BUFFER: DATA})


def test_select_does_not_load_the_other_side():
    i = Var("i")
    expr = Select((i >= 0) & (i < 4), BUFFER[i], const(0.0))
    assert evaluate_expr(expr, {i: 9}, {BUFFER: DATA}) == 0
    np.testing.assert_array_equal(evaluate_expr(expr, {i: np.arange(-1, 6)}, {BUFFER: DATA}), [0, 1, 2, 3, 4, 0, 0])


def test_negative_index_is_out_of_bounds():
    with pytest.raises(TondoError) as caught:
        evaluate_expr(BUFFER[Const(-1)], {}, {BUFFER: DATA})
    assert caught.value.code == "TND-R003"


def test_unary():
    x = Var("x", BOOL)
    assert evaluate_expr(Unary("not", x), {x: True}) is False
    n = Var("n", INT64)
    assert evaluate_expr(Unary("not", n), {n: 5}) == ~5
    assert evaluate_expr(-n, {n: -(2**63)}) == -(2**63)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float8_e4m3fn", "int8", "int64", "bool", "int4", "complex64"])
def test_memory_is_poisoned_and_aligned_like_constants(kind: str) -> None:
    """Sessions take constants at multiples of 64 bytes without a copy; folded ones are made of this memory."""
    for shape in [(), (0, 3), (3,), (5, 7)]:
        array = poisoned(shape, dtype(kind))
        assert (array.shape, array.dtype) == (shape, dtype(kind).numpy)
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        if dtype(kind).is_float:
            assert np.isnan(array.astype(np.float32)).all()
