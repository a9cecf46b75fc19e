"""Intrinsics of every kind against numpy: elementwise on floats and integers, reductions, LLVM's own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import (
    BOOL,
    FLOAT32,
    HANDLE,
    INT32,
    INT64,
    INTRINSICS,
    Binary,
    Buffer,
    Cast,
    Const,
    DType,
    Evaluate,
    For,
    Intrin,
    Load,
    Ramp,
    Store,
    TensorFunction,
    Var,
    const,
    dtype,
    intrin,
    seq,
)
from tondo_llvm.testing import run

pytestmark = pytest.mark.llvm

I = Var("i")
LANES = 8
NUMPY = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
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
    "erf": np.vectorize(math.erf),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "abs": np.abs,
    "pow": np.power,
    "atan2": np.arctan2,
    "fmod": np.fmod,
    "fma": lambda a, b, c: a * b + c,
}
DOMAIN = {
    "log": (1e-3, 9),
    "log2": (1e-3, 9),
    "log10": (1e-3, 9),
    "log1p": (-0.9, 9),
    "sqrt": (0, 9),
    "rsqrt": (0.1, 9),
    "asin": (-1, 1),
    "acos": (-1, 1),
    "acosh": (1, 9),
    "atanh": (-0.95, 0.95),
    "pow": (0.1, 3),
}


def call(name: str, kinds: list[DType], result: DType, count: int, lanes: int) -> TensorFunction:
    params = [Buffer(f"x{k}", (Const(count),), kind) for k, kind in enumerate(kinds)]
    out = Buffer("out", (Const(count),), result)
    index = I if lanes == 1 else Ramp(I * lanes, Const(1), lanes)
    value = Intrin(name, tuple(Load(param, (index,)) for param in params), result.with_lanes(lanes))
    return TensorFunction("f", (*params, out), For(I, Const(0), Const(count // lanes), Store(out, (index,), value)))


def test_the_table_is_covered() -> None:
    tested_elsewhere = {
        "isnan",
        "isinf",
        "popcount",
        "reinterpret",
        "reduce_add",
        "reduce_mul",
        "reduce_max",
        "reduce_min",
        "prefetch",
    }
    assert set(INTRINSICS) == set(NUMPY) | tested_elsewhere


@pytest.mark.parametrize("name", sorted(NUMPY))
@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16"])
def test_elementwise_functions(name: str, kind: str) -> None:
    t = dtype(kind)
    low, high = DOMAIN.get(name, (-5, 5))
    arity = INTRINSICS[name].arity
    data = [np.random.default_rng(k).uniform(low, high, 32).astype(t.numpy) for k in range(arity)]
    expected = np.asarray(NUMPY[name](*(x.astype(np.float64) for x in data)))
    tolerance = {"float32": 3e-6, "float64": 1e-14, "float16": 2e-3, "bfloat16": 1.5e-2}[kind]
    for lanes in (1, LANES):
        (got,) = run(call(name, [t] * arity, t, 32, lanes), data)
        np.testing.assert_allclose(got.astype(np.float64), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_angles_of_every_quadrant(kind: str) -> None:
    values = np.array([0.0, -0.0, 1.0, -1.0, 0.3, -7.5, np.inf, -np.inf, np.nan, 1e-30, -1e30, 5e-324], kind)
    y, x = (grid.ravel() for grid in np.meshgrid(values, values))
    for lanes in (1, LANES):
        (got,) = run(call("atan2", [dtype(kind)] * 2, dtype(kind), len(x), lanes), [y, x])
        np.testing.assert_allclose(got, np.arctan2(y, x), rtol=4e-7 if kind == "float32" else 1e-15, atol=0)
        numbers = ~np.isnan(got)
        np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(np.arctan2(y, x)[numbers]))


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16", "float8_e5m2"])
def test_classification(kind: str) -> None:
    t = dtype(kind)
    values = np.array([0.0, 1.5, np.nan, np.inf, -np.inf, -np.nan, -0.0, 2.0]).astype(t.numpy)
    wide = values.astype(np.float64)
    for lanes in (1, LANES):
        for name, reference in (("isnan", np.isnan), ("isinf", np.isinf)):
            (got,) = run(call(name, [t], BOOL, 8, lanes), [values])
            np.testing.assert_array_equal(got, reference(wide))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint64", "int64"])
def test_functions_of_integers(kind: str) -> None:
    t = dtype(kind)
    info = np.iinfo(kind)
    x = np.array([info.min, info.max, 0, 1, 2, 3, 100, 7], kind)
    y = np.array([0, 1, 2, 3, 5, 4, 1, 2], kind)
    with np.errstate(all="ignore"):
        expected = {"abs": np.abs(x), "round": x, "pow": np.power(x, y), "popcount": np.bitwise_count(x).astype(kind)}
    for lanes in (1, LANES):
        for name, reference in expected.items():
            (got,) = run(call(name, [t] * INTRINSICS[name].arity, t, 8, lanes), [x, y][: INTRINSICS[name].arity])
            np.testing.assert_array_equal(got, reference, err_msg=name)


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "uint8", "int64", "bfloat16"])
@pytest.mark.parametrize("lanes", [2, 3, 7, 8, 16])
def test_reductions(kind: str, lanes: int) -> None:
    t = dtype(kind)
    x = np.random.default_rng(lanes).integers(0 if kind == "uint8" else -2, 3, lanes).astype(t.numpy)
    names = ("reduce_add", "reduce_mul", "reduce_max", "reduce_min")
    a, out = Buffer("a", (Const(lanes),), t), Buffer("out", (Const(4),), t)
    load = Load(a, (Ramp(Const(0), Const(1), lanes),))
    body = seq(*(Store(out, (Const(k),), Intrin(name, (load,), t)) for k, name in enumerate(names)))
    (got,) = run(TensorFunction("f", (a, out), body), [x])
    wide = x.astype(np.float64)
    expected = np.array([wide.sum(), wide.prod(), wide.max(), wide.min()]).astype(np.int64).astype(t.numpy)
    np.testing.assert_array_equal(got.astype(np.float64), expected.astype(np.float64))


def test_reductions_of_truth_values() -> None:
    a, out = Buffer("a", (Const(8),), BOOL), Buffer("out", (Const(2),), BOOL)
    load = Load(a, (Ramp(Const(0), Const(1), 8),))
    body = seq(
        *(Store(out, (Const(k),), Intrin(name, (load,), BOOL)) for k, name in enumerate(("reduce_max", "reduce_min")))
    )
    for values in ([0] * 8, [1] * 8, [0] * 7 + [1]):
        x = np.array(values, np.bool_)
        (got,) = run(TensorFunction("f", (a, out), body), [x])
        assert got.tolist() == [x.any(), x.all()]


def test_float_division_and_remainders() -> None:
    values = np.array([5.5, -5.5, 0.0, 7.0, 1e20, -3.0, 6.0, 0.3], np.float32)
    divisors = np.array([2.0, 2.0, 3.0, -2.0, 3.0, 3.0, -1.5, 0.1], np.float32)
    a, b = Buffer("a", (Const(8),)), Buffer("b", (Const(8),))
    out = Buffer("out", (Const(4), Const(8)))
    lanes = Ramp(Const(0), Const(1), 8)
    operations = ("floordiv", "floormod", "truncdiv", "truncmod")
    body = seq(
        *(
            Store(out, (Const(k), lanes), Binary(op, Load(a, (lanes,)), Load(b, (lanes,))))
            for k, op in enumerate(operations)
        )
    )
    (got,) = run(TensorFunction("f", (a, b, out), body), [values, divisors])
    expected = np.stack(
        [
            np.floor_divide(values, divisors),
            np.mod(values, divisors),
            np.trunc(values / divisors),
            np.fmod(values, divisors),
        ]
    )
    np.testing.assert_array_equal(got, expected)


def test_min_and_max_return_the_second_operand_on_nan() -> None:
    x = np.array([1, np.nan, 2, np.nan, -0.0, 0.0], np.float32)
    y = np.array([np.nan, 1, 3, np.nan, 0.0, -0.0], np.float32)
    a, b, out = Buffer("a", (Const(6),)), Buffer("b", (Const(6),)), Buffer("out", (Const(2), Const(6)))
    body = For(
        I,
        Const(0),
        Const(6),
        seq(*(Store(out, (Const(k), I), Binary(op, a[I], b[I])) for k, op in enumerate(("min", "max")))),
    )
    (got,) = run(TensorFunction("f", (a, b, out), body), [x, y])
    with np.errstate(invalid="ignore"):
        expected = np.stack([np.where(x < y, x, y), np.where(x > y, x, y)])
    np.testing.assert_array_equal(got.view(np.int32), expected.view(np.int32))


def test_shifts_by_any_amount() -> None:
    x = np.array([-100, 100, 1, -1], np.int32)
    amounts = np.array([0, 5, 31, 40], np.int32)
    a, b, out = (
        Buffer("a", (Const(4),), INT32),
        Buffer("b", (Const(4),), INT32),
        Buffer("out", (Const(2), Const(4)), INT32),
    )
    lanes = Ramp(Const(0), Const(1), 4)
    body = seq(
        *(
            Store(out, (Const(k), lanes), Binary(op, Load(a, (lanes,)), Load(b, (lanes,))))
            for k, op in enumerate(("shl", "shr"))
        )
    )
    (got,) = run(TensorFunction("f", (a, b, out), body), [x, amounts])
    wide = x.astype(np.int64)
    np.testing.assert_array_equal(got, np.stack([(wide << amounts).astype(np.int32), wide >> amounts]))


def test_instructions_of_llvm() -> None:
    """A target's declared instruction: an LLVM intrinsic with vectors, literals and an address."""
    a, b, out = Buffer("a", (Const(8),)), Buffer("b", (Const(8),)), Buffer("out", (Const(8),))
    lanes = Ramp(Const(0), Const(1), 8)
    x, y = Load(a, (lanes,)), Load(b, (lanes,))
    fused = Intrin("llvm.fma.v8f32", (x, y, x), dtype("float32x8"))
    count = Intrin("llvm.ctlz.i64", (Const(1) + I * 0, const(True)), INT64)
    clear = Evaluate(
        Intrin(
            "llvm.memset.p0.i64",
            (intrin("address", b[0], dtype=HANDLE), const(0, dtype("int8")), Const(32), const(False)),
            HANDLE,
        )
    )
    body = For(
        I, Const(0), Const(1), seq(Store(out, (lanes,), fused), Store(out, (Const(7),), Cast(FLOAT32, count)), clear)
    )
    u, v, got = np.arange(8, dtype=np.float32), np.full(8, 3, np.float32), np.zeros(8, np.float32)
    run(TensorFunction("f", (a, b, out), body, 2), [u, v, got])
    np.testing.assert_array_equal(got, [0, 4, 8, 12, 16, 20, 24, 63])
    np.testing.assert_array_equal(v, 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda a: Intrin("frobnicate", (a[0],), FLOAT32), "unknown intrinsic 'frobnicate'"),
        (lambda a: Cast(FLOAT32, intrin("exp", Cast(INT32, a[0]))), "'exp' is not defined for int32"),
        (lambda a: Intrin("reinterpret", (a[0],), dtype("float64")), "cannot be reinterpreted"),
        (lambda a: intrin("address", a[0] + const(1.0)), "the load of one element"),
    ],
)
def test_refused_intrinsics(value, message: str) -> None:
    a, out = Buffer("a", (Const(1),)), Buffer("out", (Const(1),))
    expr = value(a)
    if expr.dtype != FLOAT32:
        out = Buffer("out", (Const(1),), expr.dtype)
    with pytest.raises(TondoError, match=message) as caught:
        run(TensorFunction("f", (a, out), Store(out, (Const(0),), expr)), [np.zeros(1, np.float32)])
    assert caught.value.code == "TND-B004"
