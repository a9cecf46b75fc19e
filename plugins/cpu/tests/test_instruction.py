"""Register tiles are declared instructions: the cheapest family that has a tile wins, and what is used is visible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, INT8, INT32, Attrs, Compute, TensorFunction, TensorType, cast, dims
from tondo.passes import RecordedChoices
from tondo.target import Intrinsic, IntrinsicFamily, Target
from tondo.target.patterns import MULTIPLY_ADD_TILE, multiply_add_tile
from tondo.target.target import Caches
from tondo_cpu.contraction.instruction import GENERIC
from tondo_cpu.contraction.rule import ContractionRule
from tondo_passes.tensor import lower_function

TARGET = Target("cpu", "generic", "x86_64-unknown-linux-gnu", frozenset(), 256, 16, Caches(32 << 10, 1 << 20, 0), 1)


def matmul(m: int, n: int, k: int) -> TensorFunction:
    builder = Compute("matmul")
    a = builder.input("A", TensorType(dims((m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((k, n)), FLOAT32))
    return builder.build(builder.reduce("C", (m, n), (k,), lambda i, j, r: a[i, r] * b[r, j]))


def scheduled(function: TensorFunction, *families: IntrinsicFamily) -> tuple[TensorFunction, RecordedChoices]:
    context = RecordedChoices(TARGET, families=families)
    result = ContractionRule().apply(function, context)
    assert isinstance(result, TensorFunction)
    return result, context


def used(function: TensorFunction) -> tuple[str, ...]:
    found = lower_function(function).attrs.get("intrinsics", Attrs())
    assert isinstance(found, Attrs)
    return tuple(found)


def vendor(cost: float, rows: int, vectors: int) -> IntrinsicFamily:
    """A family with one tile."""

    def make(dtype: object, lanes: int, **shape: int) -> Intrinsic | None:
        if dtype != FLOAT32 or (shape["rows"], shape["vectors"]) != (rows, vectors):
            return None
        return multiply_add_tile(
            "vendor.tile", FLOAT32, lanes, rows, vectors, 1, features=frozenset(), cycles=cost, fused=False
        )

    return IntrinsicFamily("vendor.tile", MULTIPLY_ADD_TILE, frozenset(), cost, make)


@pytest.mark.parametrize(("m", "n", "k"), [(24, 32, 5), (13, 19, 7), (1, 48, 3)])
def test_any_vector_width_has_the_generic_tile(m: int, n: int, k: int) -> None:
    function = matmul(m, n, k)
    result, _ = scheduled(function)
    assert all(name.startswith("cpu.multiply_add_tile.float32x") for name in used(result))
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-5, 6, shape).astype(np.float32) for shape in ((m, k), (k, n)))
    (found,) = run_tensor_function(result, [a, b])
    np.testing.assert_array_equal(found, a @ b)


def test_a_cheaper_tile_of_another_plugin_wins() -> None:
    function = matmul(24, 64, 8)
    _, usual = scheduled(function)
    assert usual.taken["tile"] != (3, 2)
    result, context = scheduled(function, vendor(0.01, 3, 2))
    assert context.taken["tile"] == (3, 2)
    assert used(result) == ("vendor.tile.float32x8.3x2x1",)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-5, 6, shape).astype(np.float32) for shape in ((24, 8), (8, 64)))
    (found,) = run_tensor_function(result, [a, b])
    np.testing.assert_array_equal(found, a @ b)


def test_an_expensive_tile_changes_nothing() -> None:
    function = matmul(24, 64, 8)
    result, context = scheduled(function, vendor(50.0, 3, 2))
    assert (result, context.taken) == (scheduled(function)[0], scheduled(function)[1].taken)


def test_families_of_other_patterns_are_passed_over() -> None:
    function = matmul(24, 64, 8)
    result, _ = scheduled(function, replace(vendor(0.01, 3, 2), pattern="other"))
    assert result == scheduled(function)[0]


def test_what_is_no_tile_is_written_out() -> None:
    builder = Compute("bytes")
    a = builder.input("A", TensorType(dims((8, 12)), INT8))
    b = builder.input("B", TensorType(dims((12, 16)), INT8))
    function = builder.build(
        builder.reduce("C", (8, 16), (12,), lambda i, j, r: cast(INT32, a[i, r]) * cast(INT32, b[r, j]))
    )
    assert used(scheduled(function)[0]) == ()


def test_the_generic_family_has_every_width_but_scalars() -> None:
    assert GENERIC.member(dtype=FLOAT32, lanes=1, rows=2, vectors=1, depth=1) is None
    member = GENERIC.member(dtype=FLOAT32, lanes=5, rows=2, vectors=3, depth=2)
    assert member is not None
    assert member.name == "cpu.multiply_add_tile.float32x5.2x3x2"
    rng = np.random.default_rng(5)
    x, y, z = (rng.integers(-9, 9, operand.shape).astype(np.float32) for operand in member.operands)
    assert isinstance(member.emission, TensorFunction)
    for body in (member.semantics, member.emission):
        result = z.copy()
        run_tensor_function(body, [x, y], [result])
        np.testing.assert_array_equal(result, z + x @ y)
