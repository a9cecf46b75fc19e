"""Fourier transforms and frames against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError

ALONE = frozenset({0})
"""The number of parts is never symbolic."""


def _split(z):
    return np.stack([z.real, z.imag], -1)


@pytest.mark.parametrize("length", [1, 4, 5, 12, 16, 31])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_transforms_follow_numpy(run, rng, length, parts, kind):
    x = rng.standard_normal((2, 12, 3, parts)).astype(kind)
    z = x[..., 0] if parts == 1 else x[..., 0] + 1j * x[..., 1]
    tolerance = {"rtol": 1e-3, "atol": 2e-5} if kind == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(run("dft", x, fixed=ALONE, length=length), _split(np.fft.fft(z, length, 1)), **tolerance)
    np.testing.assert_allclose(
        run("dft", x, fixed=ALONE, length=length, inverse=True), _split(np.fft.ifft(z, length, 1)), **tolerance
    )
    half = np.fft.fft(z, length, 1)[:, : length // 2 + 1]
    np.testing.assert_allclose(run("dft", x, fixed=ALONE, length=length, onesided=True), _split(half), **tolerance)


@pytest.mark.parametrize("length", [6, 7, 10])
def test_one_sided_spectra_give_the_signal(run, rng, length):
    signal = rng.standard_normal((2, length, 3)).astype(np.float32)
    spectrum = _split(np.fft.rfft(signal, axis=1)).astype(np.float32)
    got = run("dft", spectrum, fixed=ALONE, length=length, inverse=True, onesided=True)
    np.testing.assert_allclose(got[..., 0], signal, rtol=1e-4, atol=1e-5)


def test_whole_quarters_of_a_turn_are_exact(run):
    x = np.full((1, 8, 1, 1), 1000, np.float32)
    np.testing.assert_array_equal(run("dft", x, fixed=ALONE, length=8)[0, [0, 4], 0], [[8000, 0], [0, 0]])


def test_parts_are_real_or_complex(run):
    with pytest.raises(TondoError, match="the last dimension must be 1"):
        run("dft", np.zeros((1, 4, 1, 3), np.float32), length=4)
    with pytest.raises(TondoError, match="needs a complex spectrum"):
        run("dft", np.zeros((1, 4, 1, 1), np.float32), length=4, inverse=True, onesided=True)


def test_frames_overlap_and_end_in_zeros(run, rng):
    x = rng.standard_normal((2, 10, 1)).astype(np.float32)
    got = run("frames", x, step=3, length=4, frames=4)
    wanted = np.stack([np.pad(x, ((0, 0), (0, 9), (0, 0)))[:, t * 3 : t * 3 + 4] for t in range(4)], 1)
    np.testing.assert_array_equal(got, wanted)
