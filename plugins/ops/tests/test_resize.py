from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import FLOAT32, Attrs, Block, OpCall, TensorType, Var, dims, walk
from tondo_ops import OPERATORS

_COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
_SIZES = [
    ((1, 2, 4, 5), (1, 2, 8, 10)),
    ((1, 1, 4, 4), (1, 1, 7, 3)),
    ((1, 1, 6, 5), (1, 1, 3, 5)),
    ((1, 1, 4, 3), (1, 1, 1, 6)),
]


def names(attrs):
    table = {"coordinates": "coordinate_transformation_mode", "nearest": "nearest_mode", "cubic_coeff": "cubic_coeff_a",
             "extrapolation": "extrapolation_value"}  # fmt: skip
    return {table.get(name, name): int(value) if isinstance(value, bool) else value for name, value in attrs.items()}


@pytest.mark.parametrize("coordinates", _COORDINATES)
@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize(("shape", "sizes"), _SIZES)
def test_nearest_follows_onnxruntime(run, ort, rng, coordinates, nearest, shape, sizes):
    x = rng.normal(size=shape).astype(np.float32)
    attrs = {"mode": "nearest", "coordinates": coordinates, "nearest": nearest}
    theirs = ort("Resize", x, None, None, np.array(sizes), opset=19, **names(attrs))
    np.testing.assert_array_equal(run("resize", x, sizes=sizes, **attrs), theirs)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("coordinates", _COORDINATES)
@pytest.mark.parametrize(("shape", "sizes"), _SIZES)
def test_interpolation_follows_onnxruntime(run, ort, rng, mode, coordinates, shape, sizes):
    x = rng.normal(size=shape).astype(np.float32)
    attrs = {"mode": mode, "coordinates": coordinates}
    theirs = ort("Resize", x, None, None, np.array(sizes), opset=19, **names(attrs))
    np.testing.assert_allclose(run("resize", x, sizes=sizes, **attrs), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_given_scales_decide_the_coordinates(run, ort, rng, mode):
    x = rng.normal(size=(1, 1, 5, 7)).astype(np.float32)
    scales = np.array([1, 1, 0.7, 1.6], np.float32)
    theirs = ort("Resize", x, None, scales, opset=19, mode=mode)
    ours = run("resize", x, sizes=theirs.shape, scales=tuple(float(scale) for scale in scales), mode=mode)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_cubic_options(run, ort, rng):
    x = rng.normal(size=(1, 1, 4, 5)).astype(np.float32)
    attrs = {"mode": "cubic", "cubic_coeff": -0.5, "exclude_outside": True}
    theirs = ort("Resize", x, None, None, np.array([1, 1, 9, 7]), opset=19, **names(attrs))
    np.testing.assert_allclose(run("resize", x, sizes=(1, 1, 9, 7), **attrs), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_crop_follows_onnxruntime(run, ort, rng, mode):
    x = rng.normal(size=(1, 1, 5, 6)).astype(np.float32)
    roi = np.array([0, 0, 0.4, -0.2, 1, 1, 1.2, 0.7], np.float32)
    attrs = {"mode": mode, "coordinates": "tf_crop_and_resize", "extrapolation": 10.0}
    theirs = ort("Resize", x, roi, None, np.array([1, 1, 4, 5]), opset=19, **names(attrs))
    ours = run("resize", x, sizes=(1, 1, 4, 5), roi=tuple(float(value) for value in roi), **attrs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_whole_enlargement_needs_no_tables():
    n, h = Var("n"), Var("h")
    for shape, sizes, scales in [
        ((n, 3, 4, 4), (n, 3, 8, 8), None),
        ((n, 3, h, 4), (n, 3, h * 2, 8), (1.0, 1.0, 2.0, 2.0)),
    ]:
        call = OpCall("resize", (TensorType(dims(shape), FLOAT32),), Attrs(sizes=sizes, scales=scales))
        blocks = [item for item in walk(OPERATORS["resize"].define(call).body) if isinstance(item, Block)]
        assert [block.name for block in blocks] == ["y"]


def test_bytes_are_interpolated_in_float32(run, rng):
    x = rng.integers(0, 255, (1, 1, 3, 3)).astype(np.uint8)
    exact = run("resize", x.astype(np.float32), sizes=(1, 1, 5, 5), mode="linear")
    np.testing.assert_array_equal(run("resize", x, sizes=(1, 1, 5, 5), mode="linear"), exact.astype(np.uint8))


def test_nothing_changes(run, rng):
    x = rng.normal(size=(1, 1, 3, 3)).astype(np.float32)
    for mode in ("nearest", "linear", "cubic"):
        np.testing.assert_array_equal(run("resize", x, sizes=(1, 1, 3, 3), mode=mode), x)


def test_refusals(run):
    x = np.zeros((1, 1, 3, 3), np.float32)
    with pytest.raises(TondoError, match="'sizes' has 2 items, 4 are needed"):
        run("resize", x, sizes=(6, 6))
    with pytest.raises(TondoError, match="attribute 'mode' is 'lanczos'"):
        run("resize", x, sizes=(1, 1, 6, 6), mode="lanczos")
