"""Programs to compile, and the way from one to what the accelerator makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, Binary, Compute, Const, Expr, Select, TensorFunction, TensorType, Var, dims, logical_and
from tondo.passes import Miss, RecordedChoices
from tondo.target import Target
from tondo_npu.generate import generate
from tondo_npu.intrinsics import INTRINSICS
from tondo_npu.provider import NpuTargets
from tondo_npu.rule import ProductRule
from tondo_npu_runtime.decode import decode
from tondo_npu_runtime.encode import encode
from tondo_npu_runtime.isa import Program
from tondo_npu_runtime.simulate import Executable


def tensor(*shape: int | Var) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def zero() -> Const:
    return Const(0.0, FLOAT32)


def matmul(m: int | Var, n: int | Var, k: int | Var, *, epilogue: bool = True) -> TensorFunction:
    b = Compute("matmul")
    x, w, bias = b.input("x", tensor(m, k)), b.input("w", tensor(k, n)), b.input("bias", tensor(n))
    total = b.reduce("total", (m, n), (k,), lambda i, j, r: x[i, r] * w[r, j])
    if not epilogue:
        return b.build(total)
    return b.build(b.compute("y", (m, n), lambda i, j: Binary("max", total[i, j] + bias[j], zero())))


def batched(b_: int | Var, m: int, n: int, k: int) -> TensorFunction:
    """Products of a batch with the right operand transposed and the result stored the other way around."""
    b = Compute("batched")
    x, w = b.input("x", tensor(b_, m, k)), b.input("w", tensor(b_, n, k))
    total = b.reduce("total", (b_, m, n), (k,), lambda g, i, j, r: x[g, i, r] * w[g, j, r])
    return b.build(b.compute("y", (m, b_, n), lambda i, g, j: total[g, i, j] * Const(0.125, FLOAT32)))


def convolution(
    size: int, channels: int, filters: int, *, n: int | Var = 1, kernel: int = 3, stride: int = 1, groups: int = 1
) -> TensorFunction:
    """A convolution with padding and groups, a bias, a residual and a rectifier."""
    b = Compute("convolution")
    depth, width = channels // groups, filters // groups
    x = b.input("x", tensor(n, channels, size, size))
    w, bias = b.input("w", tensor(filters, depth, kernel, kernel)), b.input("bias", tensor(filters))
    pad = kernel // 2
    out = (size + 2 * pad - kernel) // stride + 1
    residual = b.input("residual", tensor(n, filters, out, out))

    def padded(i: Expr, c: Expr, y: Expr, z: Expr) -> Expr:
        inside = logical_and(logical_and(y >= pad, y < size + pad), logical_and(z >= pad, z < size + pad))
        return Select(inside, x[i, c, y - pad, z - pad], zero())

    data = b.compute("pad", (n, channels, size + 2 * pad, size + 2 * pad), padded)
    total = b.reduce(
        "total",
        (n, groups, width, out, out),
        (depth, kernel, kernel),
        lambda i, g, o, y, z, c, p, q: (
            data[i, g * depth + c, y * stride + p, z * stride + q] * w[g * width + o, c, p, q]
        ),
    )
    return b.build(
        b.compute(
            "y",
            (n, filters, out, out),
            lambda i, o, y, z: Binary(
                "max", total[i, o // width, o % width, y, z] + bias[o] + residual[i, o, y, z], zero()
            ),
        )
    )


def random(function: TensorFunction, **sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    values = {Var(name): Const(size) for name, size in sizes.items()}
    shapes = [[values.get(extent, extent).value for extent in buffer.shape] for buffer in function.input_buffers]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def npu(**attrs: int) -> Target:
    from dataclasses import replace

    target = NpuTargets().make("native")
    return replace(target, attrs=tuple(sorted({**dict(target.attrs), **attrs}.items())))


def scheduled(function: TensorFunction, target: Target | None = None, **recorded: object) -> TensorFunction:
    """Return ``function`` as the rule schedules it; ``recorded`` fills its holes."""
    made = ProductRule().apply(function, RecordedChoices(target or npu(), INTRINSICS, recorded))
    assert not isinstance(made, Miss), made.reason
    return made


def simulated(
    schedule: TensorFunction, function: TensorFunction, inputs: Sequence[np.ndarray], **sizes: int
) -> np.ndarray:
    """Return what the simulator computes: through the bytes of the stream, on memory with wrong values."""
    kernel = generate(schedule, "npu.test")
    (decoded,) = decode("test", encode(Program((kernel,)))).kernels
    assert decoded == kernel
    (wanted,) = run_tensor_function(function, inputs, scalars=sizes)
    out = np.full(wanted.shape, np.nan, np.float32)
    Executable(decoded)(*(sizes[scalar.name] for scalar in function.scalars), *inputs, out)
    return out


def agree(made: np.ndarray, function: TensorFunction, inputs: Sequence[np.ndarray], **sizes: int) -> None:
    """Check a result against the interpreter on float64-like tolerance of the range."""
    (wanted,) = run_tensor_function(function, inputs, scalars=sizes)
    scale = max(1.0, float(np.abs(wanted).max())) if wanted.size else 1.0
    np.testing.assert_allclose(made / scale, wanted / scale, rtol=0, atol=2e-6)
