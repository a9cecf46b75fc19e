"""Resize by scales, sizes and regions that are inputs, and with a filter against aliases, against onnx's reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

F32 = "float32"
X = np.random.default_rng(3).standard_normal((1, 1, 6, 7)).astype(F32)


def _agrees(tools, model, *arrays, types=None):
    names = [value.name for value in model.graph.input]
    wanted = ReferenceEvaluator(model).run(None, dict(zip(names, arrays, strict=True)))
    got = tools.run(tools.load(model), arrays)
    assert got[0].shape == wanted[0].shape
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"])
def test_scales_as_an_input(tools, mode, coordinates):
    node = tools.node("Resize", ["x", "", "scales"], mode=mode, coordinate_transformation_mode=coordinates)
    model = tools.model([node], {"x": (F32, X.shape), "scales": (F32, (4,))}, opset=19)
    for scales in ([1, 1, 2, 3], [1, 1, 0.64, 0.83], [1, 1, 1, 1.37]):
        _agrees(tools, model, X, np.array(scales, F32))


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_sizes_as_an_input(tools, policy):
    node = tools.node(
        "Resize", ["x", "", "", "sizes"], mode="linear", axes=[2, 3], keep_aspect_ratio_policy=policy
    )  # fmt: skip
    model = tools.model([node], {"x": (F32, X.shape), "sizes": ("int64", (2,))}, opset=19)
    for sizes in ([3, 5], [12, 9]):
        _agrees(tools, model, X, np.array(sizes))


def test_a_region_as_an_input(tools):
    node = tools.node(
        "Resize", ["x", "roi", "", "sizes"], mode="linear", axes=[2, 3],
        coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0,
    )  # fmt: skip
    model = tools.model([node], {"x": (F32, X.shape), "roi": (F32, (4,)), "sizes": ("int64", (2,))}, opset=19)
    for region in ([0.2, 0.1, 0.9, 0.7], [-0.2, 0.4, 1.3, 0.8]):
        _agrees(tools, model, X, np.array(region, F32), np.array([3, 4]))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("constant", [True, False])
def test_antialias(tools, mode, outside, constant):
    node = tools.node("Resize", ["x", "", "scales"], mode=mode, antialias=1, exclude_outside=outside)
    for scales in ([1, 1, 0.6, 0.34], [1, 1, 1.5, 0.8]):
        factors = np.array(scales, F32)
        if constant:
            _agrees(tools, tools.model([node], {"x": (F32, X.shape)}, constants={"scales": factors}, opset=19), X)
        else:
            _agrees(
                tools, tools.model([node], {"x": (F32, X.shape), "scales": (F32, (4,))}, opset=19), X, factors
            )  # fmt: skip


def test_antialias_to_sizes_of_a_symbolic_input(tools):
    node = tools.node("Resize", ["x", "", "", "sizes"], mode="cubic", antialias=1)
    types = {"x": (F32, (1, 1, "h", "w"))}
    model = tools.model([node], types, constants={"sizes": np.array([1, 1, 3, 4])}, opset=19)
    _agrees(tools, model, X)
