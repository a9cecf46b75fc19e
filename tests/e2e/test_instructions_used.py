"""Which declared instructions a compiled model uses is visible, and follows the target's features."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import tondo


def model():
    """Return a matrix product with a rectifier, 24 x 40 x 33."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.integers(-4, 5, (33, 40)).astype(np.float32), "weight")
    nodes = [helper.make_node("MatMul", ["x", "weight"], ["p"]), helper.make_node("Relu", ["p"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [24, 33])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [24, 40])
    graph = helper.make_graph(nodes, "product", [x], [y], [weight])
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])


def used(module):
    """Return how often each instruction is used in ``module``."""
    found = Counter()
    for function in module.tensor_functions():
        found.update(dict(function.attrs.get("intrinsics", {})))
    return found


@pytest.mark.parametrize(
    ("cpu", "family"),
    [
        ("x86-64", "cpu.multiply_add_tile.float32x4"),
        ("haswell", "x86.fma256_tile.float32x8"),
        ("skylake-avx512", "x86.fma512_tile.float32x16"),
    ],
)
def test_the_instruction_is_the_cheapest_of_the_target(cpu, family, tmp_path):
    compiled = tondo.compile(model(), target=f"cpu={cpu},threads=1", config={"cache": False})
    (name,) = used(compiled.module)
    assert name.startswith(family)
    path = tmp_path / "product.tondo"
    compiled.save(path)
    assert name.encode() in path.read_bytes()


def test_the_result_is_the_same():
    compiled = tondo.compile(model(), config={"cache": False})
    assert used(compiled.module)
    x = np.random.default_rng(1).integers(-4, 5, (24, 33)).astype(np.float32)
    weight = numpy_helper.to_array(model().graph.initializer[0])
    np.testing.assert_array_equal(compiled(x), np.maximum(x @ weight, 0))
