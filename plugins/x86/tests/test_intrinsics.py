from __future__ import annotations

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import Block, Buffer, Intrin, Load, Ramp, Store, walk
from tondo.target import parse_target
from tondo_x86 import X86Cpus
from tondo_x86.fma import fused_multiply_add_family
from tondo_x86.plugin import TONDO_PLUGIN, register_intrinsics, register_targets

FAMILY = {entry.name: entry for entry in fused_multiply_add_family()}


def test_the_plugin_registers_targets_and_instructions():
    assert TONDO_PLUGIN.api == 1
    assert [provider.name for provider in register_targets()] == ["x86"]
    assert {entry.name for entry in register_intrinsics()} == set(FAMILY)


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
