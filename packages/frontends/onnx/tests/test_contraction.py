"""Matrix products, Einsum and quantisation, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

F = "float32"


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 1, 2, 3), (5, 3, 4)), ((3,), (3, 4)), ((2, 3), (3,))]
)
def test_matmul(tools, rng, a, b):
    model = tools.model([tools.node("MatMul", ["a", "b"])], {"a": (F, a), "b": (F, b)})
    tools.check(model, rng.normal(size=a).astype(F), rng.normal(size=b).astype(F))


@pytest.mark.parametrize("opset", [6, 9, 13])
def test_gemm(tools, rng, opset):
    attributes = {"alpha": 0.5, "beta": 2.0, "transA": 1, "transB": 1, **({"broadcast": 1} if opset == 6 else {})}
    model = tools.model(
        [tools.node("Gemm", ["a", "b", "c"], **attributes)],
        {"a": (F, (3, "n")), "b": (F, (4, 3)), "c": (F, (4,))},
        opset=opset,
    )
    a, b, c = rng.normal(size=(3, 2)).astype(F), rng.normal(size=(4, 3)).astype(F), rng.normal(size=4).astype(F)
    (got,) = tools.run(tools.load(model), [a, b, c])
    np.testing.assert_allclose(got, 0.5 * (a.T @ b.T) + 2 * c, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("equation", ["bij,bjk->bik", "...i,ij->...j", "bij->bji", "ij,kj->ik"])
def test_einsum(tools, rng, equation):
    shapes = {
        "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
        "...i,ij->...j": [(2, 3, 4), (4, 5)],
        "bij->bji": [(2, 3, 4)],
        "ij,kj->ik": [(2, 3), (4, 3)],
    }
    arrays = [rng.normal(size=shape).astype(F) for shape in shapes[equation]]
    names = ["a", "b"][: len(arrays)]
    model = tools.model(
        [tools.node("Einsum", names, equation=equation)],
        {name: (F, array.shape) for name, array in zip(names, arrays, strict=True)},
    )
    tools.check(model, *arrays)


def test_matmul_integer_with_zero_points_per_column(tools, rng):
    constants = {"az": np.uint8(5), "bz": np.array([1, 2, 3, 4], "uint8")}
    inputs = {"a": ("uint8", (2, 3)), "b": ("uint8", (3, 4))}
    model = tools.model([tools.node("MatMulInteger", ["a", "b", "az", "bz"])], inputs, constants=constants)
    tools.check(model, rng.integers(0, 255, (2, 3)).astype("uint8"), rng.integers(0, 255, (3, 4)).astype("uint8"))


def test_qlinear_matmul(tools, rng):
    names = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
    constants = {
        "as": np.float32(0.02),
        "az": np.uint8(120),
        "bs": np.float32(0.03),
        "bz": np.uint8(110),
        "ys": np.float32(0.1),
        "yz": np.uint8(118),
    }
    inputs = {"a": ("uint8", (2, 5)), "b": ("uint8", (5, 3))}
    model = tools.model([tools.node("QLinearMatMul", names)], inputs, constants=constants)
    tools.check(
        model, rng.integers(0, 255, (2, 5)).astype("uint8"), rng.integers(0, 255, (5, 3)).astype("uint8"), atol=1
    )


@pytest.mark.parametrize("per_axis", [False, True])
def test_quantize_and_back(tools, rng, per_axis):
    scale, zero = (
        (np.array([0.1, 0.2, 0.3], F), np.array([3, 4, 5], "uint8")) if per_axis else (np.float32(0.1), np.uint8(128))
    )
    nodes = [
        tools.node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=1),
        tools.node("DequantizeLinear", ["q", "s", "z"], axis=1),
    ]
    model = tools.model(nodes, {"x": (F, ("n", 3, 4))}, ["y", "q"], {"s": scale, "z": zero})
    tools.check(model, rng.normal(size=(2, 3, 4)).astype(F))


def test_dynamic_quantisation_is_expanded_by_its_standard_function(tools, rng):
    model = tools.model(
        [tools.node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])], {"x": (F, (3, 4))}, ["y", "s", "z"]
    )
    module = tools.check(model, rng.normal(size=(3, 4)).astype(F))
    assert any("DynamicQuantizeLinear#0/" in (binding.source or "") for binding in module.graph().bindings)
