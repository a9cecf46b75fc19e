"""The lowering of tensor functions keeps their meaning, at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.ir import (
    FLOAT32,
    Allocate,
    Binary,
    Block,
    Compute,
    Const,
    For,
    If,
    IRModule,
    Ramp,
    TensorFunction,
    TensorType,
    Var,
    const,
    dims,
    intrin,
    rewrite,
    select,
    walk,
)
from tondo.script import parse
from tondo_passes.tensor import (
    LOWERING,
    CompactBuffers,
    LiftWorkspace,
    LowerBlocks,
    Simplify,
    Vectorize,
    lower_function,
)

Helper = Callable[..., Any]
N = Var("n")


def tensor(*shape: object) -> TensorType:
    return TensorType(dims(shape), FLOAT32)  # type: ignore[arg-type]


def matmul_relu(m: object = N, n: int = 12, k: int = 10) -> TensorFunction:
    builder = Compute("matmul_relu")
    x = builder.input("x", tensor(m, k))
    w = builder.input("w", tensor(k, n))
    y = builder.reduce("y", (m, n), (k,), lambda i, j, r: x[i, r] * w[r, j])  # type: ignore[arg-type]
    return builder.build(builder.compute("z", (m, n), lambda i, j: Binary("max", const(0.0), y[i, j])))  # type: ignore[arg-type]


def softmax(m: int, n: int) -> TensorFunction:
    builder = Compute("softmax")
    x = builder.input("x", tensor(m, n))
    top = builder.reduce("top", (m,), (n,), lambda i, r: x[i, r], "max")
    e = builder.compute("e", (m, n), lambda i, j: intrin("exp", x[i, j] - top[i]))
    total = builder.reduce("total", (m,), (n,), lambda i, r: e[i, r])
    return builder.build(builder.compute("y", (m, n), lambda i, j: e[i, j] / total[i]))


def padded_sum(n: int) -> TensorFunction:
    builder = Compute("padded_sum")
    x = builder.input("x", tensor(n))
    p = builder.compute("p", (n + 2,), lambda i: select((i >= 1) & (i < n + 1), x[i - 1], const(0.0)))
    return builder.build(builder.reduce("y", (n,), (3,), lambda i, r: p[i + r]))


def with_kind(function: TensorFunction, kinds: dict[str, str]) -> TensorFunction:
    def change(item: object) -> object:
        return replace(item, kind=kinds[item.var.name]) if isinstance(item, For) and item.var.name in kinds else item

    return replace(function, body=rewrite(function.body, change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "function", [matmul_relu(), softmax(5, 7), padded_sum(9), matmul_relu(1, 1, 1)], ids=lambda function: function.name
)
def test_every_step_keeps_the_meaning(
    function: TensorFunction, evaluate: Helper, random_inputs: Helper, round_trips: Helper
) -> None:
    scalars = {"n": 3} if function.scalars else {}
    inputs = random_inputs(function, **scalars)
    expected = evaluate(function, inputs, **scalars)[0]
    for step in LOWERING:
        function = step.apply(function)
        round_trips(IRModule.of(function))
        flat = [
            array.reshape([int(_size(extent, scalars)) for extent in buffer.shape])
            for array, buffer in zip(inputs, function.input_buffers, strict=True)
        ]
        result = evaluate(function, flat, **scalars)[0]
        np.testing.assert_allclose(result.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6, err_msg=step.name)
    assert not any(isinstance(item, Block) for item in walk(function.body))


def _size(extent: object, scalars: dict[str, int]) -> int:
    if isinstance(extent, Const):
        return int(extent.value)
    if isinstance(extent, Var):
        return scalars[extent.name]
    assert isinstance(extent, Binary)
    return _size(extent.a, scalars) * _size(extent.b, scalars)


@given(
    m=st.integers(1, 6),
    n=st.integers(1, 20),
    k=st.integers(1, 9),
    kind=st.sampled_from(["vectorized", "unrolled", "parallel"]),
)
@settings(derandomize=True, deadline=None, max_examples=40)
def test_loop_kinds_keep_the_meaning(
    m: int, n: int, k: int, kind: str, evaluate: Helper, random_inputs: Helper
) -> None:
    function = matmul_relu(m, n, k)
    inputs = random_inputs(function)
    expected = evaluate(function, inputs)[0]
    for loop in ("y_l1", "z_l1", "y_k0"):
        if loop == "y_k0" and kind == "parallel":
            continue
        lowered = lower_function(with_kind(function, {loop: kind}))
        result = evaluate(lowered, [array.reshape(-1) for array in inputs])[0]
        np.testing.assert_allclose(result.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_a_vectorised_reduction_becomes_a_lane_reduction(evaluate: Helper, random_inputs: Helper) -> None:
    function = with_kind(softmax(4, 16), {"total_k0": "vectorized"})
    for step in (LowerBlocks(), Simplify(), CompactBuffers(), LiftWorkspace()):
        function = step.apply(function)
    # the first step of the reduction must not be inside the vector loop: split the initialisation off first
    assert any(isinstance(item, If) for item in walk(function.body))
    inputs = random_inputs(function)
    np.testing.assert_allclose(
        evaluate(Vectorize().apply(function), inputs)[0], evaluate(softmax(4, 16), inputs)[0], rtol=1e-5
    )


def test_vectorised_stores_are_ramps() -> None:
    lowered = lower_function(with_kind(matmul_relu(4, 8, 4), {"z_l1": "vectorized"}))
    ramps = [item for item in walk(lowered.body) if isinstance(item, Ramp)]
    assert ramps
    assert all(item.lanes == 8 and item.stride == Const(1) for item in ramps)


def test_a_condition_on_the_vector_variable_becomes_a_predicate(evaluate: Helper, random_inputs: Helper) -> None:
    module = parse(
        "@tensor_function\n"
        "def f(n: 'int64', A: Buffer((16,)), B: Buffer((16,))):\n"
        "    for i in vectorized(0, 16):\n"
        "        if i < n:\n"
        "            B[i] = A[i] * 2.0\n"
        "        else:\n"
        "            B[i] = 1.0\n"
    )
    function = module.tensor("f")
    (a,) = random_inputs(function)
    expected = np.where(np.arange(16) < 5, a * 2, 1).astype(np.float32)
    np.testing.assert_array_equal(evaluate(Vectorize().apply(function), [a], n=5)[0], expected)
    assert not any(isinstance(item, If) for item in walk(Vectorize().apply(function).body))


def test_an_intermediate_moves_to_its_loop_and_shrinks(evaluate: Helper, random_inputs: Helper) -> None:
    module = parse(
        "@tensor_function\n"
        "def f(A: Buffer((64, 64)), B: Buffer((64, 64))):\n"
        "    T = allocate((64, 64))\n"
        "    for i in serial(0, 64):\n"
        "        for j in serial(0, 64):\n"
        "            T[i, j] = A[i, j] * 2.0\n"
        "        for k in serial(0, 64):\n"
        "            B[i, k] = T[i, k] + 1.0\n"
    )
    function = CompactBuffers().apply(module.tensor("f"))
    (allocation,) = [item for item in walk(function.body) if isinstance(item, Allocate)]
    assert [int(extent.value) for extent in allocation.buffer.shape] == [1, 64]
    assert allocation.buffer.scope == "local"
    assert isinstance(function.body, For)
    inputs = random_inputs(function)
    np.testing.assert_array_equal(evaluate(function, inputs)[0], inputs[0] * 2 + 1)


def test_a_value_carried_between_iterations_stays_outside(evaluate: Helper, random_inputs: Helper) -> None:
    module = parse(
        "@tensor_function\n"
        "def f(A: Buffer((64,)), B: Buffer((64,))):\n"
        "    T = allocate((1,))\n"
        "    T[0] = 0.0\n"
        "    for i in serial(0, 64):\n"
        "        T[0] = T[0] + A[i]\n"
        "        B[i] = T[0]\n"
    )
    function = CompactBuffers().apply(module.tensor("f"))
    inputs = random_inputs(function)
    np.testing.assert_allclose(evaluate(function, inputs)[0], np.cumsum(inputs[0]), rtol=1e-4, atol=1e-5)


def test_large_allocations_become_parameters(evaluate: Helper, random_inputs: Helper) -> None:
    builder = Compute("f")
    x = builder.input("x", tensor(N, 64))
    t = builder.compute("t", (N, 64), lambda i, j: x[i, j] * 2.0)
    function = builder.build(builder.compute("y", (64, N), lambda i, j: t[j, i] + 1.0))
    lifted = LiftWorkspace().apply(CompactBuffers().apply(LowerBlocks().apply(function)))
    assert lifted.attrs["workspace"] == 1
    assert [param.name for param in lifted.params] == ["n", "x", "y", "t"]
    assert not any(isinstance(item, Allocate) for item in walk(lifted.body))
    inputs = random_inputs(function, n=3)
    np.testing.assert_allclose(evaluate(lifted, inputs, n=3)[0], inputs[0].T * 2 + 1, rtol=1e-6)


def test_a_large_allocation_inside_a_parallel_loop_is_refused() -> None:
    module = parse(
        "@tensor_function\n"
        "def f(n: 'int64', A: Buffer((n, n)), B: Buffer((n, n))):\n"
        "    for i in parallel(0, n):\n"
        "        T = allocate((n,))\n"
        "        for j in serial(0, n):\n"
        "            T[j] = A[i, j]\n"
        "        for k in serial(0, n):\n"
        "            B[i, k] = T[n - 1 - k]\n"
    )
    with pytest.raises(TondoError) as caught:
        LiftWorkspace().apply(module.tensor("f"))
    assert caught.value.code == "TND-B004"
    assert "'T'" in str(caught.value)
