from __future__ import annotations

import numpy as np
import pytest

from tondo.driver.interpreted import Interpreted
from tondo_runtime import Manifest, RuntimeFailure, SymbolSpec, TensorSpec

MANIFEST = Manifest(
    name="m",
    entry="main",
    inputs=(TensorSpec("x", "float32", ("n", 2)), TensorSpec("y", "float32", ("n", 2))),
    outputs=(TensorSpec("sum", "float32", ("n", 2)), TensorSpec("difference", "float32", ("n", 2))),
    symbols=(SymbolSpec("n"),),
)
MODEL = Interpreted(MANIFEST, lambda arrays: (arrays[0] + arrays[1], arrays[0] - arrays[1]))
X = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_it_is_called_like_a_session():
    first, second = MODEL(X, y=X)
    np.testing.assert_array_equal(first, 2 * X)
    np.testing.assert_array_equal(second, 0 * X)
    assert list(MODEL.run({"x": X, "y": X})) == ["sum", "difference"]
    assert [spec.name for spec in MODEL.inputs] == ["x", "y"]


def test_a_single_output_is_an_array():
    single = Interpreted(
        Manifest("m", "main", MANIFEST.inputs[:1], MANIFEST.outputs[:1], MANIFEST.symbols), lambda arrays: (arrays[0],)
    )
    result = single(X)
    np.testing.assert_array_equal(result, X)
    assert not np.shares_memory(result, X)


def test_outputs_may_be_bound():
    target = np.empty((3, 2), np.float32)
    outputs = MODEL.run({"x": X, "y": X}, {"sum": target})
    assert outputs["sum"] is target
    np.testing.assert_array_equal(target, 2 * X)


def test_inputs_are_checked_like_those_of_a_session():
    with pytest.raises(RuntimeFailure) as caught:
        MODEL(X, X.astype(np.float64))
    assert caught.value.code == "TND-U003"
    with pytest.raises(RuntimeFailure) as caught:
        MODEL(X, X[:2])
    assert caught.value.code == "TND-U002"
    with pytest.raises(RuntimeFailure) as caught:
        MODEL(X)
    assert caught.value.code == "TND-U004"
    with pytest.raises(Exception, match="no output 'z'"):
        MODEL.run({"x": X, "y": X}, {"z": X})


def test_there_are_no_kernels_to_profile():
    with MODEL.profile() as profile:
        MODEL(X, X)
    MODEL.close()
    assert profile.table() == []
