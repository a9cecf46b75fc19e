"""Declared instructions in generated code: tensorised functions compute the same natively, and say what they use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, INT8, INT32, Attrs, Compute, TensorFunction, TensorType, cast, dims
from tondo.script import parse
from tondo.target import LlvmCall
from tondo_llvm.testing import run
from tondo_passes.tensor import lower_function
from tondo_schedule import Schedule, Tensorized, auto_tensorize
from tondo_schedule.testing import made_up_intrinsics

INSTRUCTIONS = made_up_intrinsics()
FLOATS = ("mma4", "dot4", "outer4x16")


def matmul(m: int, n: int, k: int) -> TensorFunction:
    builder = Compute("matmul")
    a = builder.input("A", TensorType(dims((m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((k, n)), FLOAT32))
    return builder.build(builder.reduce("C", (m, n), (k,), lambda i, j, r: a[i, r] * b[r, j]))


def batched(z: int, m: int, n: int, k: int) -> TensorFunction:
    builder = Compute("batched")
    a = builder.input("A", TensorType(dims((z, m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((z, n, k)), FLOAT32))
    return builder.build(builder.reduce("C", (z, m, n), (k,), lambda g, i, j, r: a[g, i, r] * b[g, j, r]))


def convolution(size: int, inputs: int, outputs: int, kernel: int, stride: int) -> TensorFunction:
    builder = Compute("convolution")
    extent = (size - 1) * stride + kernel
    x = builder.input("X", TensorType(dims((1, inputs, extent, extent)), FLOAT32))
    w = builder.input("W", TensorType(dims((outputs, inputs, kernel, kernel)), FLOAT32))
    return builder.build(
        builder.reduce(
            "C",
            (1, outputs, size, size),
            (inputs, kernel, kernel),
            lambda b, q, i, j, d, p, r: x[b, d, i * stride + p, j * stride + r] * w[q, d, p, r],
        )
    )


def check(function: TensorFunction, name: str) -> None:
    schedule = Schedule(function)
    done = auto_tensorize(schedule, "C", [INSTRUCTIONS[name]])
    assert isinstance(done, Tensorized), done
    rng = np.random.default_rng(0)
    shapes = [[int(getattr(extent, "value", 0)) for extent in buffer.shape] for buffer in function.input_buffers]
    kinds = [buffer.dtype.numpy for buffer in function.input_buffers]
    arrays = [rng.integers(-5, 6, shape).astype(kind) for shape, kind in zip(shapes, kinds, strict=True)]
    (wanted,) = run_tensor_function(function, arrays)
    lowered = lower_function(schedule.function)
    assert lowered.attrs["intrinsics"] == Attrs({name: 1})
    found = run(lowered, arrays)[0]
    np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    "function",
    [matmul(8, 16, 12), matmul(10, 7, 5), matmul(1, 33, 3), batched(2, 5, 9, 6), convolution(5, 3, 6, 3, 1),
     convolution(4, 7, 5, 3, 2)],
    ids=["whole", "odd", "row", "batched", "convolution", "strided"],
)  # fmt: skip
def test_float_instructions(function: TensorFunction, name: str) -> None:
    check(function, name)


@pytest.mark.parametrize(("m", "n", "k"), [(2, 8, 8), (3, 11, 9)])
def test_byte_products(m: int, n: int, k: int) -> None:
    builder = Compute("bytes")
    a = builder.input("A", TensorType(dims((m, k)), INT8))
    b = builder.input("B", TensorType(dims((k, n)), INT8))
    check(
        builder.build(builder.reduce("C", (m, n), (k,), lambda i, j, r: cast(INT32, a[i, r]) * cast(INT32, b[r, j]))),
        "dot4i8",
    )


def test_a_call_of_llvm() -> None:
    text = """
@tensor_function
def update(a: Buffer((4,), "float32"), b: Buffer((4,), "float32"), c: Buffer((4,), "float32")):
    for i in serial(0, 4):
        with block("update"):
            v = spatial(4, i)
            reads(a[v], b[v])
            writes(c[v])
            c[v] = c[v] + a[v] * b[v]
"""
    one = INSTRUCTIONS["outer4x16"]
    semantics = parse(text).functions["update"]
    assert isinstance(semantics, TensorFunction)
    operands = tuple(replace(operand, shape=(4,), strides=(1,)) for operand in one.operands)
    call = replace(
        one, name="multiply_add", semantics=semantics, operands=operands, emission=LlvmCall("llvm.fmuladd.v4f32")
    )
    builder = Compute("products")
    a = builder.input("A", TensorType(dims((6, 8)), FLOAT32))
    b = builder.input("B", TensorType(dims((6, 8)), FLOAT32))
    function = builder.build(builder.reduce("C", (8,), (6,), lambda i, r: a[r, i] * b[r, i]))
    schedule = Schedule(function)
    done = auto_tensorize(schedule, "C", [call])
    assert isinstance(done, Tensorized), done
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-5, 6, (6, 8)).astype(np.float32) for _ in range(2)]
    found = run(lower_function(schedule.function), arrays)[0]
    np.testing.assert_array_equal(found, (arrays[0] * arrays[1]).sum(0))
