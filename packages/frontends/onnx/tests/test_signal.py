"""Fourier transforms of few and of many points against numpy."""

from __future__ import annotations

import numpy as np
import pytest

F32 = "float32"


@pytest.mark.parametrize("size", [900, 3000])
@pytest.mark.parametrize(("inverse", "onesided"), [(0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("length", [None, 2000])
def test_transforms(tools, rng, size, inverse, onesided, length):
    parts = 1 if onesided else 2
    given = ["x", "length", "axis"] if length else ["x", "", "axis"]
    constants = {"axis": np.array(1), **({"length": np.array(length)} if length else {})}
    node = tools.node("DFT", given, inverse=inverse, onesided=onesided)
    model = tools.model([node], {"x": (F32, ("n", size, 3, parts))}, constants=constants, opset=20)
    x = rng.normal(size=(2, size, 3, parts)).astype(F32)
    module = tools.load(model)
    (found,) = tools.run(module, [x])
    points = x[..., 0] + (1j * x[..., 1] if parts == 2 else 0)
    wanted = (np.fft.ifft if inverse else np.fft.fft)(points, n=length, axis=1)
    wanted = wanted[:, : wanted.shape[1] // 2 + 1] if onesided else wanted
    np.testing.assert_allclose(found[..., 0] + 1j * found[..., 1], wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    called = [getattr(binding.operation, "name", None) for binding in module.graph().bindings]
    assert ("tondo.signal.dft" in called) is ((length or size) > 1024)
