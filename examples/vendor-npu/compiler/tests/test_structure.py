"""What the accelerator takes is told from loops, and what it does not take has a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from programs import convolution, matmul, npu, tensor

from tondo.ir import FLOAT64, Binary, Compute, Intrin, TensorFunction, TensorType, Var, dims
from tondo.passes import Miss, Offer
from tondo_npu.library import NpuLibrary
from tondo_npu.structure import Product, product_of


def names(axes: object) -> list[str]:
    return [it.extent.value if hasattr(it.extent, "value") else it.extent.name for it in axes]


def test_axes_of_a_convolution() -> None:
    product = product_of(convolution(8, 6, 4, groups=2))
    assert isinstance(product, Product)
    assert names(product.batch) == [2]
    assert names(product.rows) == [1, 8, 8]
    assert names(product.columns) == [2]
    assert names(product.depth) == [3, 3, 3]
    assert product.left.load.buffer.name == "x"
    assert len(product.left.conditions) == 4
    assert len(product.operands) == 2


def test_a_product_alone_is_its_own_result() -> None:
    product = product_of(matmul(4, 5, 6, epilogue=False))
    assert isinstance(product, Product)
    assert product.value == product.result


def softmax() -> TensorFunction:
    b = Compute("softmax")
    x, w = b.input("x", tensor(4, 8)), b.input("w", tensor(8, 8))
    y = b.reduce("y", (4, 8), (8,), lambda i, j, k: x[i, k] * w[k, j])
    top = b.reduce("top", (4,), (8,), lambda i, j: y[i, j], "max")
    return b.build(b.compute("z", (4, 8), lambda i, j: y[i, j] - top[i]))


def double() -> TensorFunction:
    b = Compute("double")
    kind = TensorType(dims((8, 8)), FLOAT64)
    x, w = b.input("x", kind), b.input("w", kind)
    return b.build(b.reduce("y", (8, 8), (8,), lambda i, j, k: x[i, k] * w[k, j]))


def two_products() -> TensorFunction:
    b = Compute("two")
    x, w, v = (b.input(name, tensor(8, 8)) for name in ("x", "w", "v"))
    y = b.reduce("y", (8, 8), (8,), lambda i, j, k: x[i, k] * w[k, j])
    return b.build(b.reduce("z", (8, 8), (8,), lambda i, j, k: y[i, k] * v[k, j]))


def depthwise() -> TensorFunction:
    b = Compute("depthwise")
    x, w = b.input("x", tensor(8, 20)), b.input("w", tensor(8, 3))
    return b.build(b.reduce("y", (8, 18), (3,), lambda c, i, t: x[c, i + t] * w[c, t]))


def computed_operand() -> TensorFunction:
    b = Compute("scaled")
    x, w = b.input("x", tensor(8, 8)), b.input("w", tensor(8, 8))
    s = b.compute("s", (8, 8), lambda i, j: x[i, j] * x[i, j])
    return b.build(b.reduce("y", (8, 8), (8,), lambda i, j, k: s[i, k] * w[k, j]))


def unknown_function() -> TensorFunction:
    b = Compute("atan")
    x, w = b.input("x", tensor(8, 8)), b.input("w", tensor(8, 8))
    y = b.reduce("y", (8, 8), (8,), lambda i, j, k: x[i, k] * w[k, j])
    return b.build(b.compute("z", (8, 8), lambda i, j: Intrin("atan", (y[i, j],), y.dtype)))


def reshaped() -> TensorFunction:
    b = Compute("reshaped")
    x, w = b.input("x", tensor(8, 8)), b.input("w", tensor(8, 8))
    y = b.reduce("y", (8, 8), (8,), lambda i, j, k: x[i, k] * w[k, j])
    return b.build(b.compute("z", (16, 4), lambda i, j: y[i // 2, i % 2 * 4 + j]))


def two_results() -> TensorFunction:
    b = Compute("both")
    x, w = b.input("x", tensor(8, 8)), b.input("w", tensor(8, 8))
    y = b.reduce("y", (8, 8), (8,), lambda i, j, k: x[i, k] * w[k, j])
    return b.build(y, b.compute("z", (8, 8), lambda i, j: Binary("max", y[i, j], x[i, j])))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (softmax(), "stage 'top' is a reduction, not element by element"),
        (double(), "'x' holds float64, the array multiplies float32"),
        (two_products(), "it holds 2 sums of products, the array computes one at a time"),
        (depthwise(), "its product has no columns: the array would use one of 16"),
        (computed_operand(), "an operand is computed on the way, not only moved"),
        (unknown_function(), "the vector unit has no 'atan'"),
        (reshaped(), "what follows the sum is not element by element"),
        (two_results(), "it has 2 results"),
        (matmul(0, 4, 5), "there is nothing to multiply"),
        (matmul(3, 4, 0, epilogue=False), "there is nothing to multiply"),
    ],
)
def test_what_it_does_not_take_has_a_reason(function: TensorFunction, reason: str) -> None:
    found = NpuLibrary().match(function, npu())
    assert isinstance(found, Miss)
    assert found.reason == reason


def test_offers_say_how_long_they_take() -> None:
    small, large = (NpuLibrary().match(matmul(m, 256, 256), npu()) for m in (64, 4096))
    assert isinstance(small, Offer)
    assert isinstance(large, Offer)
    assert small.seconds is not None
    assert large.seconds is not None
    assert 0 < 10 * small.seconds < large.seconds
    assert isinstance(NpuLibrary().match(matmul(Var("n"), 256, 256), npu()), Offer)


def test_only_machines_with_the_accelerator_are_asked() -> None:
    from tondo.target import BASELINE_PROVIDERS

    assert NpuLibrary().supports(npu())
    assert not NpuLibrary().supports(BASELINE_PROVIDERS[0].make("native"))
