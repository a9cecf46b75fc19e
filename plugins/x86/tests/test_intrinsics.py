from __future__ import annotations

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, INT32, Block, Buffer, Intrin, Load, Ramp, Store, walk
from tondo.target import Intrinsic, IntrinsicFamily, parse_target
from tondo_x86 import X86Cpus
from tondo_x86.fma import fused_multiply_add_family
from tondo_x86.plugin import TONDO_PLUGIN, register_intrinsics, register_targets
from tondo_x86.tile import tile_families

FAMILY = {entry.name: entry for entry in fused_multiply_add_family()}


def test_the_plugin_registers_targets_and_instructions():
    assert TONDO_PLUGIN.api == 1
    assert [provider.name for provider in register_targets()] == ["x86"]
    assert {entry.name for entry in register_intrinsics() if isinstance(entry, Intrinsic)} == set(FAMILY)
    tiles = {entry.name for entry in register_intrinsics() if isinstance(entry, IntrinsicFamily)}
    assert tiles == {"x86.fma128_tile", "x86.fma256_tile", "x86.fma512_tile"}


@pytest.mark.parametrize(
    ("cpu", "widths"), [("x86-64-v2", set()), ("haswell", {128, 256}), ("skylake-avx512", {128, 256, 512})]
)
def test_targets_have_tiles_of_their_registers(cpu, widths):
    target = parse_target(f"cpu={cpu}", [X86Cpus()])
    assert {entry.name for entry in tile_families() if entry.available(target)} == {
        f"x86.fma{width}_tile" for width in widths
    }


@pytest.mark.parametrize(
    ("lanes", "rows", "vectors", "depth"), [(4, 1, 1, 1), (8, 6, 2, 1), (16, 6, 4, 2), (16, 14, 2, 3)]
)
def test_both_forms_of_a_tile_are_the_product_added(lanes, rows, vectors, depth):
    (member,) = (
        found
        for family in tile_families()
        if (found := family.member(dtype=FLOAT32, lanes=lanes, rows=rows, vectors=vectors, depth=depth))
    )
    assert member.name.endswith(f"_tile.float32x{lanes}.{rows}x{vectors}x{depth}")
    assert member.cost == 0.5 * rows * vectors * depth
    rng = np.random.default_rng(5)
    a, b, c = (rng.integers(-9, 9, operand.shape).astype(np.float32) for operand in member.operands)
    for function in (member.semantics, member.emission):
        result = c.copy()
        run_tensor_function(function, [a, b], [result])
        np.testing.assert_array_equal(result, c + a @ b)


def test_tiles_that_do_not_fit_the_registers_are_none():
    wide = tile_families()[2]
    assert wide.member(dtype=FLOAT32, lanes=16, rows=6, vectors=4, depth=1) is not None
    assert wide.member(dtype=FLOAT32, lanes=16, rows=8, vectors=4, depth=1) is None
    assert wide.member(dtype=FLOAT32, lanes=8, rows=2, vectors=2, depth=1) is None
    assert wide.member(dtype=INT32, lanes=16, rows=2, vectors=2, depth=1) is None


def test_the_family_fills_every_register_width():
    assert set(FAMILY) == {
        f"x86.fma.{dtype}" for dtype in ("float32x4", "float32x8", "float32x16", "float64x2", "float64x4", "float64x8")
    }


@pytest.mark.parametrize(
    ("cpu", "count"), [("x86-64-v2", 0), ("haswell", 4), ("znver3", 4), ("skylake-avx512", 6), ("znver4", 6)]
)
def test_targets_have_the_widths_of_their_features(cpu, count):
    target = parse_target(f"cpu={cpu}", [X86Cpus()])
    assert sum(entry.available(target) for entry in FAMILY.values()) == count


@pytest.mark.parametrize("name", FAMILY)
def test_operands_are_the_parameters(name):
    intrinsic = FAMILY[name]
    for function in (intrinsic.semantics, intrinsic.emission):
        assert [buffer.name for buffer in function.params] == [operand.name for operand in intrinsic.operands]
        assert all(isinstance(buffer, Buffer) for buffer in function.params)
        assert [tuple(int(extent.value) for extent in buffer.shape) for buffer in function.params] == [
            operand.shape for operand in intrinsic.operands
        ]
    assert [operand.access for operand in intrinsic.operands] == ["read", "read", "update"]


@pytest.mark.parametrize("name", FAMILY)
def test_semantics_is_one_block_and_emission_one_vector_statement(name):
    intrinsic = FAMILY[name]
    (block,) = [node for node in walk(intrinsic.semantics.body) if isinstance(node, Block)]
    assert [region.buffer.name for region in block.reads] == ["c", "a", "b"]
    assert [region.buffer.name for region in block.writes] == ["c"]
    body = intrinsic.emission.body
    assert isinstance(body, Store)
    assert isinstance(body.value, Intrin)
    assert body.value.dtype.lanes == intrinsic.operands[0].shape[0]
    assert [node.buffer.name for node in walk(body.value) if isinstance(node, Load)] == ["a", "b", "c"]
    assert all(isinstance(node.indices[0], Ramp) for node in walk(body) if isinstance(node, Load))


@pytest.mark.parametrize("name", FAMILY)
def test_both_forms_compute_the_product_added(name):
    intrinsic = FAMILY[name]
    rng = np.random.default_rng(5)
    (lanes,) = intrinsic.operands[0].shape
    a, b, c = (rng.standard_normal(lanes).astype(intrinsic.operands[0].dtype.numpy) for _ in range(3))
    exact = a.astype(np.longdouble) * b + c
    for function in (intrinsic.semantics, intrinsic.emission):
        result = c.copy()
        run_tensor_function(function, [a, b], [result])
        np.testing.assert_allclose(result, exact.astype(result.dtype), rtol=4 * np.finfo(result.dtype).eps)
