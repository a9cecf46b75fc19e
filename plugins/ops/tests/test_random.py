"""Random numbers against the published answers of Philox4x32-10, and their distributions."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import FLOAT32, FLOAT64, INT32, dtype

MASK = np.uint64(0xFFFFFFFF)


def philox(counter, key):
    """Return the four words of a counter of four words (arrays) under a key of two."""
    words = [np.asarray(word, np.uint64) for word in counter]
    k0, k1 = (np.uint64(part) for part in key)
    for _ in range(10):
        first, second = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words = [
            (second >> np.uint64(32)) ^ words[1] ^ k0, second & MASK, (first >> np.uint64(32)) ^ words[3] ^ k1,
            first & MASK,
        ]  # fmt: skip
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & MASK, (k1 + np.uint64(0xBB67AE85)) & MASK
    return words


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)  # fmt: skip
def test_the_reference_gives_the_published_answers(counter, key, answer):
    assert [int(word) for word in philox(counter, key)] == list(answer)


KEY = np.array([0x299F31D0A4093822, 0x0370734413198A2E], np.int64)


def words_of(count):
    use, seed = int(KEY[1]), int(KEY[0])
    places = np.arange(count, dtype=np.uint64)
    zeros = np.zeros(count, np.uint64)
    return philox((places, zeros, zeros + np.uint64(use & 0xFFFFFFFF), zeros + np.uint64(use >> 32)),
                  (seed & 0xFFFFFFFF, seed >> 32))  # fmt: skip


def test_uniform_numbers_are_the_words(run):
    got = run("random_uniform", KEY, fixed=frozenset({0}), shape=(3, 5), dtype=FLOAT32)
    wanted = (words_of(15)[0] >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    np.testing.assert_array_equal(got, wanted.reshape(3, 5))


def test_wide_uniform_numbers_have_53_bits(run):
    got = run("random_uniform", KEY, fixed=frozenset({0}), shape=(11,), dtype=FLOAT64, low=-2.0, high=1.0)
    words = words_of(11)
    fraction = ((words[0] >> np.uint64(5)) * np.uint64(1 << 26) + (words[1] >> np.uint64(6))).astype(float) * 2.0**-53
    np.testing.assert_allclose(got, fraction * 3 - 2, rtol=1e-15)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_normal_numbers_are_those_of_box_and_muller(run, kind):
    got = run("random_normal", KEY, fixed=frozenset({0}), shape=(2, 9), dtype=dtype(kind), mean=1.0, scale=3.0)
    words = [word.astype(float) / 2.0**32 for word in words_of(18)]
    wanted = 1 + 3 * np.sqrt(-2 * np.log(1 - words[0])) * np.cos(2 * np.pi * words[2])
    np.testing.assert_allclose(got.reshape(-1), wanted, rtol=2e-3, atol=2e-3 if kind == "float16" else 2e-5)


def test_integers_are_not_drawn(run):
    with pytest.raises(TondoError, match="numbers of int32 cannot be drawn"):
        run("random_uniform", KEY, shape=(3,), dtype=INT32)


def test_a_key_has_two_numbers(run):
    with pytest.raises(TondoError, match="a key has two numbers"):
        run("random_normal", np.zeros(3, np.int64), fixed=frozenset({0}), shape=(3,))
