"""Memory of buffers with strides of their own: the elements lie apart, what lies between is not theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tondo.interp.values import poisoned
from tondo.ir import DType


def span(shape: Sequence[int], steps: Sequence[int]) -> int:
    """Return the number of elements from the first to the last one; 0 for an empty tensor."""
    if 0 in shape:
        return 0
    return 1 + sum((extent - 1) * step for extent, step in zip(shape, steps, strict=True))


def spread(array: np.ndarray, steps: Sequence[int], dtype: DType) -> np.ndarray:
    """Return a copy of ``array`` whose elements lie ``steps`` apart, in memory of the size of its span."""
    view = seen(poisoned((span(array.shape, steps),), dtype), array.shape, steps)
    view[...] = array
    return view


def seen(memory: np.ndarray, shape: Sequence[int], steps: Sequence[int]) -> np.ndarray:
    """Return the elements that lie ``steps`` apart in ``memory`` (one axis), as an array of ``shape``."""
    if 0 in shape:
        return np.empty(tuple(shape), memory.dtype)
    return np.lib.stride_tricks.as_strided(memory, tuple(shape), [step * memory.itemsize for step in steps])


def flat(view: np.ndarray) -> np.ndarray:
    """Return the memory of a view that :func:`seen` made, as one axis, all of its span."""
    if view.flags.c_contiguous:
        return view.reshape(-1)
    steps = [step // view.itemsize for step in view.strides]
    return np.lib.stride_tricks.as_strided(view, (span(view.shape, steps),), (view.itemsize,))
