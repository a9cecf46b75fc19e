"""Fourier transforms of many points, which take n log n steps here and n^2 as products with a table of turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tondo_runtime.registry import register

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array

_REAL = 1


@register("tondo.signal.dft")
def dft(x: Array, y: Array, *, length: int, inverse: bool) -> None:
    """Write the transform of ``x [before, n, after, parts]`` along its second axis into ``y [before, size, after, 2]``.

    ``parts`` are 1 (real) or 2 (real and imaginary). The axis is cut or filled up with zeros to ``length``; ``y`` takes
    the first ``size`` frequencies. The inverse divides by ``length``.
    """
    points = np.zeros(x.shape[:-1], np.complex64 if x.dtype == np.float32 else np.complex128)
    points.real = x[..., 0]
    if x.shape[-1] != _REAL:
        points.imag = x[..., 1]
    turn = np.fft.ifft if inverse else np.fft.fft
    found = turn(points, n=length, axis=1)[:, : y.shape[1]]
    y[..., 0], y[..., 1] = found.real, found.imag
