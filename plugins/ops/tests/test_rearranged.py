"""Caches, columns and determinants against numpy and onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError


@pytest.mark.parametrize("axis", [1, -2])
def test_caches_are_written_at_a_position_per_batch(run, rng, axis):
    x = rng.standard_normal((3, 6, 7)).astype(np.float32)
    update = rng.standard_normal((3, 2, 7)).astype(np.float32)
    begin = np.array([0, 4, 2], np.int64)
    wanted = x.copy()
    for b, place in enumerate(begin):
        wanted[b, place : place + 2] = update[b]
    np.testing.assert_array_equal(run("write_at", x, update, begin, axis=axis), wanted)


def test_circular_caches_go_on_at_the_front(run, rng):
    x = rng.standard_normal((2, 5, 3)).astype(np.float32)
    update = rng.standard_normal((2, 4, 3)).astype(np.float32)
    wanted = x.copy()
    for b, place in enumerate((3, 9)):
        wanted[b, (place + np.arange(4)) % 5] = update[b]
    got = run("write_at", x, update, np.array([3, 9]), axis=1, circular=True)
    np.testing.assert_array_equal(got, wanted)


def test_the_batch_is_not_written_along(run):
    with pytest.raises(TondoError, match="batch cannot be the axis"):
        run("write_at", np.zeros((2, 2)), np.zeros((2, 2)), np.zeros(2, np.int64), axis=0)


@pytest.mark.parametrize(
    ("strides", "dilations", "pads"),
    [((1, 1), (1, 1), (0, 0, 0, 0)), ((2, 1), (1, 1), (1, 0, 1, 2)), ((1, 2), (2, 1), (1, 1, 1, 1))],
)
def test_columns_follow_onnxruntime(run, ort, rng, strides, dilations, pads):
    image, kernel = (6, 7), (3, 2)
    counts = [(image[a] + pads[a] + pads[a + 2] - dilations[a] * (kernel[a] - 1) - 1) // strides[a] + 1 for a in (0, 1)]
    x = rng.standard_normal((2, 3 * 6, counts[0] * counts[1])).astype(np.float32)
    attrs = {"strides": strides, "dilations": dilations, "pads": pads}
    wanted = ort(
        "Col2Im", x, np.array(image), np.array(kernel), **{key: list(value) for key, value in attrs.items()}
    )  # fmt: skip
    got = run("col2im", x, image=image, kernel=kernel, fixed=frozenset({0}), **attrs)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_determinants_follow_numpy(run, rng, size, kind):
    x = rng.standard_normal((4, 2, size, size)).astype(kind)
    x[0, 0, 0, 0] = 0  # needs another pivot
    x[1, 1] = 1  # singular from size 2 on
    got = run("det", x, fixed=frozenset({0}))
    np.testing.assert_allclose(got, np.linalg.det(x.astype(np.float64)), rtol=1e-4, atol=1e-5)


def test_matrices_must_be_square(run):
    with pytest.raises(TondoError, match="sizes of the matrices"):
        run("det", np.zeros((2, 3), np.float32))
