"""The emission does what the semantics say, and the compiler finds places for the instruction by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sample_plugin.instructions import matrix_multiply

import tondo
from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    Binding,
    CallDps,
    Compute,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    dims,
)
from tondo_schedule import Schedule, Tensorized, auto_tensorize

M, N, K = 10, 12, 7


def product() -> TensorFunction:
    """``C = A @ B.T``, in sizes that are no multiples of the instruction's."""
    builder = Compute("product")
    a = builder.input("A", TensorType(dims((M, K)), FLOAT32))
    b = builder.input("B", TensorType(dims((N, K)), FLOAT32))
    return builder.build(builder.reduce("C", (M, N), (K,), lambda i, j, k: a[i, k] * b[j, k]))


def test_emission_and_semantics_agree() -> None:
    instruction = matrix_multiply()
    assert isinstance(instruction.emission, TensorFunction)
    rng = np.random.default_rng(0)
    a, b, c = (rng.integers(-9, 9, (4, 4)).astype(np.float32) for _ in range(3))
    wanted, found = c.copy(), c.copy()
    run_tensor_function(instruction.semantics, [a, b], [wanted])
    run_tensor_function(instruction.emission, [a, b], [found])
    np.testing.assert_array_equal(wanted, c + a @ b)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("target", ["native", "interp"])
def test_the_compiler_places_it(target: str) -> None:
    schedule = Schedule(product())
    done = auto_tensorize(schedule, "C", [matrix_multiply()])
    assert isinstance(done, Tensorized), done
    assert schedule.block(done.block).attrs["intrinsic"] == "sample_plugin.mma4"
    function = replace(schedule.function, attrs=schedule.function.attrs.with_(rule="by hand"))
    shapes = {"a": (M, K), "b": (N, K), "c": (M, N)}
    a, b, c = (GraphVar(name, TensorType(dims(shape), FLOAT32)) for name, shape in shapes.items())
    graph = GraphFunction("main", (a, b), (Binding((c,), CallDps(function.name, (a, b))),), (c,))
    model = tondo.compile(IRModule.of(graph, function), target=target, config={"cache": False})
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((M, K), np.float32), rng.standard_normal((N, K), np.float32)
    np.testing.assert_allclose(model(left, right), left @ right.T, rtol=1e-5, atol=1e-5)
