"""Casts between all element types, and the floats below 32 bits, against numpy and ml_dtypes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tondo.ir import (
    Broadcast,
    Buffer,
    Cast,
    Compare,
    Const,
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
from tondo_llvm.targets import host_target
from tondo_llvm.testing import run

pytestmark = pytest.mark.llvm

SMALL = (
    "float16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn",
)
WIDE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
I = Var("i")


def cast_function(source: str, target: str, count: int, lanes: int = 1) -> TensorFunction:
    a, b = (Buffer(name, (Const(count),), dtype(kind)) for name, kind in (("a", source), ("b", target)))
    index = I if lanes == 1 else Ramp(I * lanes, Const(1), lanes)
    load = Load(a, (index,))
    body = For(I, Const(0), Const(count // lanes), Store(b, (index,), Cast(dtype(target).with_lanes(lanes), load)))
    return TensorFunction("convert", (a, b), body)


def same(got: np.ndarray, expected: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):  # signalling NaN
        got, expected = got.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_array_equal(got, expected)
    signs = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got)[signs], np.signbit(expected)[signs])


@pytest.fixture(params=["host", "soft"])
def target(request: pytest.FixtureRequest):
    host = host_target()
    return host if request.param == "host" else replace(host, features=frozenset({"sse2"}), vector_bits=128, cpu="")


@pytest.mark.parametrize("name", SMALL)
def test_every_small_float_widens_exactly(name: str, target) -> None:
    t = dtype(name)
    patterns = np.arange(1 << t.bits, dtype=f"uint{8 * t.bytes}").view(t.numpy)
    for lanes in (1, 16):
        (got,) = run(cast_function(name, "float32", len(patterns), lanes), [patterns], target=target)
        with np.errstate(invalid="ignore"):
            same(got, patterns.astype(np.float32))


@pytest.mark.parametrize("name", SMALL)
def test_narrowing_rounds_halves_to_even(name: str, target) -> None:
    t = dtype(name)
    grid = np.arange(1 << t.bits, dtype=f"uint{8 * t.bytes}").view(t.numpy).astype(np.float32)
    grid = np.unique(grid[np.isfinite(grid)])
    middle = ((grid[1:].astype(np.float64) + grid[:-1]) / 2).astype(np.float32)
    largest = grid[-1]
    with np.errstate(over="ignore"):
        beyond = np.array([largest * 1.01, largest * 1.1, largest * 1.25, largest * 2, 1e38, np.inf], np.float32)
    values = np.concatenate(
        [
            grid,
            middle,
            np.nextafter(middle, np.float32(np.inf)),
            np.nextafter(middle, np.float32(-np.inf)),
            beyond,
            -beyond,
            np.array([0.0, -0.0, np.nan, 1e-30, -1e-30], np.float32),
        ]
    )
    if name == "bfloat16" and "avx512bf16" in target.features:
        values = values[(np.abs(values) >= 2.0**-126) | (values == 0) | np.isnan(values)]  # the instruction flushes
    if name == "float4_e2m1fn":
        values = values[~np.isnan(values)]  # without NaN in the format, there is no right result
    if name == "float8_e8m0fnu":
        values = values[~((values > 2.0**-127) & (values < 2.0**-126))]  # ml_dtypes rounds these upward
    values = np.resize(values, len(values) // 16 * 16 + 16)
    with np.errstate(all="ignore"):
        expected = values.astype(t.numpy)
    for lanes in (1, 16):
        (got,) = run(cast_function("float32", name, len(values), lanes), [values], target=target)
        same(got, expected)


@pytest.mark.parametrize("source", WIDE)
def test_casts_among_wide_types(source: str) -> None:
    if source == "bool":
        values = np.array([True, False] * 8)
    elif source.startswith("float"):
        values = np.array([0, -0.0, 0.4, 0.6, 1, 1.5, 2.5, 3.99, 17, 100, 126.9, 127, 3, 0.01, 99.5, 64], source)
    else:
        info = np.iinfo(source)
        values = np.array(
            [info.min, info.max, info.max - 1, info.min + 1, 0, 1, 2, 3, 77, 100, 5, 6, 7, 8, 9, 10], source
        )
    for target in WIDE:
        with np.errstate(all="ignore"):
            expected = values.astype(target)
        for lanes in (1, 8):
            (got,) = run(cast_function(source, target, 16, lanes), [values])
            np.testing.assert_array_equal(got, expected, err_msg=f"{source} to {target}, {lanes} lanes")


def test_negative_and_large_floats_to_integers() -> None:
    values = np.array([-1.5, -2.99, -128.0, -0.9, 2.0**31, -(2.0**31), 2.0**53, -(2.0**62)], np.float64)
    (got,) = run(cast_function("float64", "int64", 8, 4), [values])
    np.testing.assert_array_equal(got, values.astype(np.int64))
    large = np.array([2.0**63, 2.0**64 - 2048, 2.0**63 - 1024, 1.0], np.float64)
    (got,) = run(cast_function("float64", "uint64", 4, 4), [large])
    np.testing.assert_array_equal(got, large.astype(np.uint64))


@pytest.mark.parametrize("name", ["int4", "uint4", "int2", "uint2"])
def test_integers_below_a_byte(name: str) -> None:
    t = dtype(name)
    values = np.arange(-8, 8, dtype=np.int32)
    (got,) = run(cast_function("int32", name, 16, 8), [values])
    np.testing.assert_array_equal(got.astype(np.int32), values.astype(t.numpy).astype(np.int32))
    (back,) = run(cast_function(name, "int32", 16), [got])
    np.testing.assert_array_equal(back, got.astype(np.int32))


@pytest.mark.parametrize("name", SMALL[:2])
def test_arithmetic_of_small_floats_rounds_each_step(name: str, target) -> None:
    t = dtype(name)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(64).astype(t.numpy) for _ in range(2))
    a, b, c, d = (Buffer(n, (Const(64),), t) for n in "abcd")
    flags = Buffer("flags", (Const(64),), dtype("bool"))
    index = Ramp(I * 16, Const(1), 16)
    two = Broadcast(const(2.0, t), 16)
    body = For(I, Const(0), Const(4), Store(c, (index,), (Load(a, (index,)) + Load(b, (index,))) * two))
    negative = For(I, Const(0), Const(64), Store(d, (I,), intrin("sqrt", intrin("abs", -a[I]))))
    compared = For(I, Const(0), Const(64), Store(flags, (I,), Compare("lt", a[I], b[I])))
    function = TensorFunction("f", (a, b, c, d, flags), seq(body, negative, compared), 3)
    got_c, got_d, got_flags = run(function, [x, y], target=target)
    total = (x.astype(np.float32) + y.astype(np.float32)).astype(t.numpy)
    np.testing.assert_array_equal(
        got_c.astype(np.float32), (total.astype(np.float32) * 2).astype(t.numpy).astype(np.float32)
    )
    expected = np.sqrt(np.abs(x.astype(np.float32))).astype(t.numpy)
    np.testing.assert_array_equal(got_d.astype(np.float32), expected.astype(np.float32))
    np.testing.assert_array_equal(got_flags, x.astype(np.float32) < y.astype(np.float32))


def test_reinterpret_keeps_the_bits() -> None:
    a, b = Buffer("a", (Const(8),), dtype("float32")), Buffer("b", (Const(8),), dtype("int32"))
    index = Ramp(Const(0), Const(1), 8)
    value = Intrin("reinterpret", (Load(a, (index,)),), dtype("int32x8"))
    x = np.random.default_rng(1).standard_normal(8).astype(np.float32)
    (got,) = run(TensorFunction("f", (a, b), Store(b, (index,), value)), [x])
    np.testing.assert_array_equal(got, x.view(np.int32))
