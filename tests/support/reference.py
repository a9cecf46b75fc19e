"""Reference answers of onnxruntime, and the distance to them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

Array = npt.NDArray[np.generic]

onnxruntime.set_default_logger_severity(3)  # the light networks name initializers that nothing reads


def session(model: onnx.ModelProto | str) -> onnxruntime.InferenceSession:
    """Return an onnxruntime session on one thread; ``model`` is a model or the path of a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    content = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def answers(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return onnxruntime's outputs by name."""
    engine = session(model)
    names = [output.name for output in engine.get_outputs()]
    return dict(zip(names, engine.run(names, dict(inputs)), strict=True))


def of_range(found: Array, expected: Array) -> float:
    """Return max |found - expected| as a part of the range of ``expected`` (its size where the range is 0).

    Both must have the same shape and dtype, and infinities and NaN at the same places.
    """
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"dtype {found.dtype}, expected {expected.dtype}"
    if expected.size == 0:
        return 0.0
    wide, right = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(right)
    np.testing.assert_array_equal(wide[~finite], right[~finite])
    if not finite.any():
        return 0.0
    size = float(np.ptp(right[finite])) or float(np.abs(right[finite]).max()) or 1.0
    return float(np.abs(wide[finite] - right[finite]).max()) / size


def of_size(found: Array, expected: Array, least: float = 0.03) -> float:
    """Return :func:`of_range`, but as a part of the largest absolute value, or of ``least``, where that is more.

    A few numbers close to each other have a small range, and numbers near one that cancel leave something small; what
    rounding leaves of them is neither.
    """
    part = of_range(found, expected)
    finite = expected[np.isfinite(expected)].astype(np.float64)
    if not part or finite.size == 0:
        return part
    spread, largest = float(np.ptp(finite)), float(np.abs(finite).max())
    return part * (spread or largest or 1.0) / max(spread, largest, least)
