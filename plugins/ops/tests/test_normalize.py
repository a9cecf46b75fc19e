from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError


def vectors(rng, channels, count):
    return [rng.uniform(0.5, 2, channels).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("shape", [(2, 3), (1, 3, 4), (2, 4, 3, 5)])
def test_batch_norm_follows_onnxruntime(run, ort, rng, shape):
    x, args = rng.normal(size=shape).astype(np.float32), vectors(rng, shape[1], 4)
    theirs = ort("BatchNormalization", x, *args, epsilon=1e-3)
    np.testing.assert_allclose(run("batch_norm", x, *args, epsilon=1e-3), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_layer_norm_follows_onnxruntime(run, ort, rng, axis, count):
    x = rng.normal(2, 3, (2, 3, 4)).astype(np.float32)
    affine = [rng.normal(size=x.shape[axis:]).astype(np.float32) for _ in range(count)]
    scale = affine[:1] or [np.ones(x.shape[axis:], np.float32)]
    theirs = ort("LayerNormalization", x, *scale, *affine[1:], axis=axis, epsilon=1e-4)
    np.testing.assert_allclose(run("layer_norm", x, *affine, axis=axis, epsilon=1e-4), theirs, rtol=1e-4, atol=1e-5)


def test_rms_norm(run, rng):
    x, scale = rng.normal(2, 3, (2, 3, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    wanted = x / np.sqrt(np.mean(x.astype(np.float64) ** 2, axis=-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(run("rms_norm", x), wanted, rtol=1e-5)
    np.testing.assert_allclose(run("rms_norm", x, scale), wanted * scale, rtol=1e-5)


def test_narrow_layer_norm_is_computed_in_float32(run, rng):
    x = rng.normal(100, 1, (2, 64)).astype(np.float16)
    exact = run("layer_norm", x.astype(np.float32))
    np.testing.assert_array_equal(run("layer_norm", x), exact.astype(np.float16))


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 2, 3, 4)])
def test_instance_norm_follows_onnxruntime(run, ort, rng, shape):
    x, args = rng.normal(size=shape).astype(np.float32), vectors(rng, shape[1], 2)
    theirs = ort("InstanceNormalization", x, *args, epsilon=1e-3)
    np.testing.assert_allclose(run("instance_norm", x, *args, epsilon=1e-3), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm(run, rng, groups):
    x, (scale, bias) = rng.normal(1, 2, (2, 6, 3, 2)).astype(np.float32), vectors(rng, 6, 2)
    parts = x.astype(np.float64).reshape(2, groups, -1)
    normal = (parts - parts.mean(-1, keepdims=True)) / np.sqrt(parts.var(-1, keepdims=True) + 1e-5)
    wanted = normal.reshape(x.shape) * scale[:, None, None] + bias[:, None, None]
    np.testing.assert_allclose(run("group_norm", x, scale, bias, groups=groups), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("beta", [0.75, 0.5, 1.3])
def test_lrn_follows_onnxruntime(run, ort, rng, size, beta):
    x = rng.normal(0, 5, (2, 5, 3, 2)).astype(np.float32)
    attrs = {"size": size, "alpha": 0.01, "beta": beta, "bias": 2.0}
    if size % 2:
        np.testing.assert_allclose(run("lrn", x, **attrs), ort("LRN", x, **attrs), rtol=1e-5)
        return
    squares = np.stack(
        [np.sum(x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1] ** 2, axis=1) for c in range(5)], 1
    )
    np.testing.assert_allclose(run("lrn", x, **attrs), x / (2 + 0.01 / size * squares) ** beta, rtol=1e-5)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [0, -1])
def test_lp_normalization_follows_onnxruntime(run, ort, rng, p, axis):
    x = rng.normal(size=(3, 4)).astype(np.float32)
    x[0] = 0
    theirs = ort("LpNormalization", x, p=p, axis=axis)
    np.testing.assert_allclose(run("lp_normalization", x, p=p, axis=axis), theirs, rtol=1e-5)


def test_mean_variance_normalization_follows_onnxruntime(run, ort, rng):
    x = rng.normal(1, 2, (2, 3, 4, 2)).astype(np.float32)
    theirs = ort("MeanVarianceNormalization", x, axes=(0, 2, 3))
    np.testing.assert_allclose(run("mean_variance_normalization", x), theirs, rtol=1e-4, atol=1e-5)


def test_refusals(run):
    x, three = np.zeros((2, 4, 2), np.float32), np.zeros(3, np.float32)
    with pytest.raises(TondoError, match="length of a per-channel argument"):
        run("batch_norm", x, three, three, three, three)
    with pytest.raises(TondoError, match="must broadcast"):
        run("layer_norm", x, three)
    with pytest.raises(TondoError, match="groups do not divide"):
        run("group_norm", x, np.zeros(4, np.float32), np.zeros(4, np.float32), groups=3)
