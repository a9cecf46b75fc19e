from __future__ import annotations

import numpy as np

import tondo_runtime
from tondo import ffi


def test_the_compiler_and_the_runtime_share_one_registry():
    def twice(x, y):
        y[...] = 2 * x

    ffi.register("test.ffi.twice", twice)
    try:
        assert "test.ffi.twice" in tondo_runtime.names()
        result = np.zeros(3, np.float32)
        tondo_runtime.get("test.ffi.twice")(np.ones(3, np.float32), result)
        np.testing.assert_array_equal(result, [2, 2, 2])
    finally:
        ffi.remove("test.ffi.twice")
    assert "test.ffi.twice" not in ffi.names()
