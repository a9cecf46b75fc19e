"""Sampling operators against onnxruntime and numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("aligned", [True, False])
def test_grid_sample_follows_onnxruntime(run, ort, rng, mode, padding, aligned):
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    grid = rng.uniform(-1.7, 1.7, (2, 6, 7, 2)).astype(np.float32)
    wanted = ort("GridSample", x, grid, opset=20, mode=mode, padding_mode=padding, align_corners=int(aligned))
    got = run("grid_sample", x, grid, fixed=frozenset({1}), mode=mode, padding=padding, align_corners=aligned)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_of_volumes(run, ort, rng, padding):
    x = rng.standard_normal((1, 2, 3, 4, 5)).astype(np.float32)
    grid = rng.uniform(-1.5, 1.5, (1, 2, 3, 2, 3)).astype(np.float32)
    wanted = ort("GridSample", x, grid, opset=20, mode="linear", padding_mode=padding)
    got = run("grid_sample", x, grid, fixed=frozenset({1}), padding=padding)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_grid_needs_a_coordinate_per_axis(run):
    with pytest.raises(TondoError, match="last dimension of the grid must be 2"):
        run("grid_sample", np.zeros((1, 1, 4, 4), np.float32), np.zeros((1, 2, 2, 3), np.float32))


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("half_pixel", [True, False])
def test_roi_align_follows_onnxruntime(run, ort, rng, mode, samples, half_pixel):
    x = rng.standard_normal((2, 3, 9, 11)).astype(np.float32)
    rois = np.array([[0, 0, 8, 7], [1.5, 2.5, 9.5, 6], [3, 1, 4, 2], [-2, -3, 14, 12]], np.float32)
    batches = np.array([0, 1, 1, 0], np.int64)
    attrs = {"output_height": 3, "output_width": 2, "sampling_ratio": samples, "spatial_scale": 0.9, "mode": mode}
    transformation = "half_pixel" if half_pixel else "output_half_pixel"
    wanted = ort("RoiAlign", x, rois, batches, opset=16, coordinate_transformation_mode=transformation, **attrs)
    got = run(
        "roi_align", x, rois, batches, fixed=frozenset({1}), mode=mode, height=3, width=2, samples=samples, scale=0.9,
        half_pixel=half_pixel,
    )  # fmt: skip
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_roi_max_pool_follows_onnxruntime(run, ort, rng):
    x = rng.standard_normal((2, 3, 9, 11)).astype(np.float32)
    rois = np.array([[0, 0, 0, 8, 7], [1, 1.5, 2.4, 9.5, 6], [1, 3, 1, 4, 2], [0, 5, 5, 20, 20]], np.float32)
    wanted = ort("MaxRoiPool", x, rois, pooled_shape=[3, 2], spatial_scale=0.5)
    got = run("roi_max_pool", x, rois, fixed=frozenset({1}), height=3, width=2, scale=0.5)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("offset_groups", [1, 2])
@pytest.mark.parametrize("full", [True, False])
def test_deform_conv_follows_onnxruntime(run, ort, rng, groups, offset_groups, full):
    x = rng.standard_normal((2, 4, 6, 7)).astype(np.float32)
    weight = rng.standard_normal((6, 4 // groups, 3, 2)).astype(np.float32)
    offset = rng.uniform(-1.5, 1.5, (2, offset_groups * 12, 3, 8)).astype(np.float32)
    bias = rng.standard_normal(6).astype(np.float32)
    mask = rng.uniform(0, 1, (2, offset_groups * 6, 3, 8)).astype(np.float32)
    more = (bias, mask) if full else ()
    wanted = ort(
        "DeformConv", x, weight, offset, *more, opset=19, strides=[2, 1], pads=[1, 1, 1, 1], dilations=[1, 1],
        group=groups, offset_group=offset_groups,
    )  # fmt: skip
    got = run(
        "deform_conv", x, weight, offset, *more, fixed=frozenset(range(1, 5)), strides=(2, 1), pads=(1, 1),
        groups=groups, offset_groups=offset_groups, bias=full,
    )  # fmt: skip
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4)
