"""Functions of the runtime for sorting, sets and encoded images."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tondo_runtime
from tondo_runtime import RuntimeFailure
from tondo_runtime.functions import images

top_k = tondo_runtime.get("tondo.sort.top_k")
unique = tondo_runtime.get("tondo.sort.unique")
decode = tondo_runtime.get("tondo.image.decode")


@given(
    arrays(np.int8, st.tuples(st.integers(1, 3), st.integers(0, 9), st.integers(1, 2)), elements=st.integers(-3, 3)),
    st.booleans(),
    st.data(),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_top_k(x, largest, data):
    count = data.draw(st.integers(0, x.shape[1]))
    shape = (x.shape[0], count, x.shape[2])
    values, places = np.empty(shape, np.int8), np.empty(shape, np.int64)
    top_k(x, values, places, axis=1, largest=largest)
    for i, j in np.ndindex(x.shape[0], x.shape[2]):
        row = x[i, :, j].tolist()
        order = sorted(range(len(row)), key=lambda place: (-row[place] if largest else row[place], place))[:count]
        assert places[i, :, j].tolist() == order
        assert values[i, :, j].tolist() == [row[place] for place in order]


def test_more_than_there_are():
    with pytest.raises(RuntimeFailure, match="the 3 largest of 2 elements"):
        top_k(np.zeros(2), np.empty(3), np.empty(3, np.int64), axis=0, largest=True)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("ordered", [True, False])
def test_unique(axis, ordered):
    x = np.random.default_rng(3).integers(0, 2, (6, 4)).astype(np.float32)
    rows = x.reshape(-1, 1) if axis is None else np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    inverse = np.empty(len(rows), np.int64)
    values, first, counts = unique(x, inverse, axis=axis, ordered=ordered)
    keys = [tuple(row) for row in rows.tolist()]
    wanted = sorted(set(keys)) if ordered else list(dict.fromkeys(keys))
    assert first.tolist() == [keys.index(key) for key in wanted]
    assert counts.tolist() == [keys.count(key) for key in wanted]
    assert inverse.tolist() == [wanted.index(key) for key in keys]
    found = values.reshape(-1, 1) if axis is None else np.moveaxis(values, axis, 0).reshape(len(wanted), -1)
    assert [tuple(row) for row in found.tolist()] == wanted


def encoded(array, kind):
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.fromarray(array).save(stream, kind)
    return np.frombuffer(stream.getvalue(), np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_images(kind):
    pixels = np.random.default_rng(1).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    data = encoded(pixels, kind)
    np.testing.assert_array_equal(decode(data, pixels="RGB"), pixels)
    np.testing.assert_array_equal(decode(data, pixels="BGR"), pixels[..., ::-1])
    assert decode(data, pixels="Grayscale").shape == (5, 7, 1)


def test_what_is_no_image(monkeypatch):
    data = encoded(np.zeros((4, 4, 3), np.uint8), "PNG")
    with pytest.raises(RuntimeFailure) as caught:
        decode(data[:20], pixels="RGB")
    assert caught.value.code == "TND-R003"
    with pytest.raises(RuntimeFailure) as caught:
        decode(encoded(np.zeros((4, 4, 3), np.uint8), "GIF"), pixels="RGB")
    assert caught.value.code == "TND-R003"
    monkeypatch.setattr(images, "_PIXELS", 15)
    with pytest.raises(RuntimeFailure) as caught:
        decode(data, pixels="RGB")
    assert caught.value.code == "TND-X002"


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(RuntimeFailure, match="needs Pillow") as caught:
        decode(np.zeros(3, np.uint8), pixels="RGB")
    assert caught.value.code == "TND-R002"
