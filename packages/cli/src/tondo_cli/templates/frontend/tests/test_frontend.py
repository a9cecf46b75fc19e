"""A file is read, compiled and run; a wrong one is refused with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tondo
from tondo.diagnostics import TondoError

TEXT = "input x float32 batch 4  # any number of rows\nmul 2.0\nadd 1.0\nrelu\n"


def written(folder: Path, text: str) -> str:
    path = folder / "model.chain"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("target", ["native", "interp"])
def test_a_file_computes_what_it_says(tmp_path: Path, target: str) -> None:
    model = tondo.compile(written(tmp_path, TEXT), target=target, config={"cache": False})
    for rows in (1, 3):
        x = np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float32)
        np.testing.assert_allclose(model(x), np.maximum(x * 2 + 1, 0), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("input x float32 4\nfly 2.0\n", "TND-M003", "model.chain:2"),
        ("input x float32 4\nmul two\n", "TND-M004", "model.chain:2"),
        ("input x floating 4\n", "TND-M004", "model.chain:1"),
        ("", "TND-M004", "names no input"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, code: str, place: str) -> None:
    with pytest.raises(TondoError) as error:
        tondo.compile(written(tmp_path, text), target="interp")
    assert error.value.code == code
    assert place in str(error.value)
