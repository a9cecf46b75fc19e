"""Inputs from files, shapes from words, and what is made up."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo_cli.inputs import parse_shapes, random_array, read_inputs


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("data=1x3x224x224", {"data": (1, 3, 224, 224)}),
        ("data=batchx3", {"data": ("batch", 3)}),
        ("n=7", {"n": (7,)}),
        ("s=", {"s": ()}),
        ("gpu_0/data=2x3", {"gpu_0/data": (2, 3)}),
        ("a=b=2", {"a=b": (2,)}),
    ],
)
def test_shapes(word, shape):
    assert parse_shapes([word]) == shape


def test_names_with_an_x_need_commas():
    assert parse_shapes(["x=max,3,4"]) == {"x": ("max", 3, 4)}


@pytest.mark.parametrize("word", ["1x3", "=1x3", "x=1xx3", "x=1.5", "x=-1"])
def test_refused_shapes(word):
    with pytest.raises(TondoError, match="is not a shape") as caught:
        parse_shapes([word])
    assert caught.value.code == "TND-U005"


def test_arrays_from_files(tmp_path):
    x, y = np.arange(6.0).reshape(2, 3), np.ones(2, np.int64)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "both.npz", x=x, y=y)
    np.testing.assert_array_equal(read_inputs([f"a={tmp_path / 'x.npy'}"])["a"], x)
    found = read_inputs([str(tmp_path / "both.npz")])
    assert set(found) == {"x", "y"}
    np.testing.assert_array_equal(read_inputs([f"y={tmp_path / 'both.npz'}"])["y"], y)


def test_refused_files(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=np.ones(2))
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04broken")
    np.save(tmp_path / "x.npy", np.ones(2))
    for word, code in [
        (f"x={tmp_path / 'missing.npy'}", "TND-U006"),
        (f"x={tmp_path / 'objects.npy'}", "TND-U005"),
        (f"x={tmp_path / 'text.npy'}", "TND-U005"),
        (f"x={tmp_path / 'broken.npz'}", "TND-U005"),
        (f"z={tmp_path / 'x.npz'}", "TND-U001"),
        (str(tmp_path / "x.npy"), "TND-U005"),
    ]:
        with pytest.raises(TondoError) as caught:
            read_inputs([word])
        assert caught.value.code == code, word


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int8", "uint8", "bool"])
def test_what_is_made_up_is_repeatable(dtype):
    first = random_array((64, 3), dtype, np.random.default_rng(5))
    again = random_array((64, 3), dtype, np.random.default_rng(5))
    assert first.dtype == np.dtype(dtype)
    assert first.shape == (64, 3)
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first)) > 1
