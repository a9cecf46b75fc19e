"""Inputs of a model from files, or random but seeded where none is given.

``--input x=x.npy`` reads one array, ``--input inputs.npz`` every array of the archive by its name, ``--input x=in.npz``
the array ``x`` of it. Whatever the model needs beyond that is made up from the shape: normally distributed numbers for
floats, small non-negative integers, coin flips for bool. Pickled arrays are refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from tondo.diagnostics import fail

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

Array = npt.NDArray[np.generic]
Dim = int | str

_MAX_INTEGER = 2  # integers are often indices: small ones are valid for most models


def parse_shapes(words: Sequence[str]) -> dict[str, tuple[Dim, ...]]:
    """Return shapes by input name from ``name=1x3x224x224``, where ``name=`` is a scalar.

    A dimension may be a name; names that hold an ``x`` need commas: ``name=maximum,3``.
    """
    shapes: dict[str, tuple[Dim, ...]] = {}
    for word in words:
        name, equals, text = word.rpartition("=")
        parts = text.split("," if "," in text else "x") if text else []
        if not equals or not name or not all(part.isdigit() or part.isidentifier() for part in parts):
            fail("TND-U005", f"'{word}' is not a shape", help="write it like --shape data=1x3x224x224")
        shapes[name] = tuple(int(part) if part.isdigit() else part for part in parts)
    return shapes


def read_inputs(words: Sequence[str]) -> dict[str, Array]:
    """Return arrays by input name from ``name=file.npy``, ``name=file.npz`` or ``file.npz``."""
    arrays: dict[str, Array] = {}
    for word in words:
        name, equals, file = word.partition("=")
        path = Path(file if equals else word)
        found = _read(path)
        if isinstance(found, dict):
            arrays |= found if not equals else {name: _member(found, name, path)}
        elif equals:
            arrays[name] = found
        else:
            fail("TND-U005", f"'{word}' does not say which input it is", help=f"write --input NAME={word}")
    return arrays


def _read(path: Path) -> Array | dict[str, Array]:
    if not path.is_file():
        fail("TND-U006", f"no such file: {path}")
    try:
        with path.open("rb") as stream:
            content = cast("Array | NpzFile[np.generic]", np.load(stream, allow_pickle=False))
            if isinstance(content, np.ndarray):
                return content
            with content:
                return {key: content[key] for key in content.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        fail("TND-U005", f"{path} is not a .npy or .npz file", notes=(str(error),))


def _member(arrays: Mapping[str, Array], name: str, path: Path) -> Array:
    if name not in arrays:
        fail("TND-U001", f"{path} holds no array '{name}'", notes=(f"it holds: {', '.join(sorted(arrays))}",))
    return arrays[name]


def random_array(shape: Sequence[int], dtype: npt.DTypeLike, rng: np.random.Generator) -> Array:
    """Return an array of ``shape`` and ``dtype`` that most models accept."""
    wanted = np.dtype(dtype)
    if wanted.kind == "b":
        return rng.integers(0, 2, shape).astype(wanted)
    if wanted.kind in "iu":
        return rng.integers(0, _MAX_INTEGER, shape).astype(wanted)
    return rng.standard_normal(shape).astype(wanted)
