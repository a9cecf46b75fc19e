"""Arrays that cases are made of."""

from __future__ import annotations

import numpy as np
import pytest

from tondo_conformance import values


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4), (1, 1), (0, 3)])
@pytest.mark.parametrize("style", [0, 1, 2])
def test_views_have_the_same_contents(shape, style):
    array = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    view = values.strided(array, style)
    np.testing.assert_array_equal(view, array)
    if array.size > 3 and (style or array.ndim > 1):
        assert not view.flags.c_contiguous


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_special_values(kind):
    rng = np.random.default_rng(0)
    array = values.normal(rng, (8, 8), values.numpy_dtype(kind))
    found = values.with_special(rng, array, "all").astype(np.float64)
    assert np.isnan(found).any()
    assert np.isposinf(found).any()
    assert np.isneginf(found).any()
    infinite = values.with_special(rng, array, "infinite").astype(np.float64)
    assert not np.isnan(infinite).any()
    assert values.with_special(rng, array, "none") is array
    whole = np.ones((2, 2), np.int32)
    assert values.with_special(rng, whole, "all") is whole


@pytest.mark.parametrize("kind", [*values.ANY, *values.ALL_INTEGERS, *values.TINY])
def test_contents_have_the_type_that_is_asked_for(kind):
    rng = np.random.default_rng(0)
    for make in (values.normal, values.between(0, 3), values.nonzero):
        array = make(rng, (3, 4), values.numpy_dtype(kind))
        assert array.dtype == values.numpy_dtype(kind)
        assert array.shape == (3, 4)
