"""Inputs of a model from files, or random but seeded where none is given.

``--input x=x.npy`` reads one array, ``--input inputs.npz`` every array of the archive by its name, ``--input x=in.npz``
the array ``x`` of it. Whatever the model needs beyond that is made up from the shape: normally distributed numbers for
floats, small non-negative integers, coin flips for bool. Pickled arrays are refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np
import numpy.typing as npt

from tondo.diagnostics import fail, suggest
from tondo_runtime import TensorSpec
from tondo_runtime.dims import DimTree, evaluate, format_shape

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

Array = npt.NDArray[np.generic]
Dim = int | str
Shapes = Mapping[str, tuple[Dim, ...]]

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


def parse_limits(words: Sequence[str]) -> dict[str, int]:
    """Return limits by name from ``nodes=2_000_000``."""
    limits: dict[str, int] = {}
    for word in words:
        name, equals, text = word.partition("=")
        digits = text.replace("_", "")
        if not equals or not name or not (digits.isascii() and digits.isdigit()):
            fail("TND-U005", f"'{word}' is not a limit", help="write it like --limit nodes=2_000_000")
        limits[name] = int(digits)
    return limits


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


def fill_inputs(specs: Sequence[TensorSpec], given: Mapping[str, Array], shapes: Shapes, seed: int) -> dict[str, Array]:
    """Return an array for every input: the ``given`` one, else a random one.

    The shape of a random one is that of ``shapes``, else the model's; a symbolic dimension takes the size that
    other inputs give it, else 1. The same seed gives the same arrays.

    Raises:
        TondoError: TND-U001 for a name that the model does not have, TND-U002 for a rank or size that contradicts it.
    """
    known = [spec.name for spec in specs]
    for name in (*given, *shapes):
        if name not in known:
            notes = (f"inputs: {', '.join(known)}",)
            help_ = suggest(name, known) or "name one of the model's inputs"
            fail("TND-U001", f"the model has no input '{name}'", notes=notes, help=help_)
    sizes = _sizes(specs, {**shapes, **{name: array.shape for name, array in given.items()}})
    rng = np.random.default_rng(seed)
    filled: dict[str, Array] = {}
    for spec in specs:
        shape = [evaluate(dim, sizes) for dim in spec.shape]
        made = random_array(shape, spec.type.numpy, rng)  # drawn in any case: what is given changes no other input
        filled[spec.name] = given.get(spec.name, made)
    return filled


def _sizes(specs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[Dim]]) -> dict[str, int]:
    """Sizes of symbolic dimensions: from ``shapes`` where a dimension is a plain symbol, else 1."""
    sizes = dict.fromkeys((symbol for spec in specs for dim in spec.shape for symbol in _symbols(dim)), 1)
    for spec in specs:
        shape = shapes.get(spec.name)
        if shape is None:
            continue
        if len(shape) != len(spec.shape):
            _refuse_shape(spec, f"input '{spec.name}' has {len(spec.shape)} dimensions, not {len(shape)}")
        for dim, size in zip(spec.shape, shape, strict=True):
            if isinstance(dim, str) and isinstance(size, int):
                sizes[dim] = size
            elif isinstance(dim, int) and isinstance(size, int) and size != dim:
                _refuse_shape(spec, f"input '{spec.name}' has the size {dim}, not {size}")
    return sizes


def _refuse_shape(spec: TensorSpec, message: str) -> NoReturn:
    expected = f"the model expects {format_shape(spec.shape)}"
    fail("TND-U002", message, notes=(expected,), help="give an array of that shape, or leave --shape out")


def _symbols(dim: object) -> Iterator[str]:
    if isinstance(dim, DimTree):
        yield from _symbols(dim.left)
        yield from _symbols(dim.right)
    elif isinstance(dim, str):
        yield dim


def _read(path: Path) -> Array | dict[str, Array]:
    if not path.is_file():
        fail("TND-U006", f"no such file: {path}", help="check the path that --input names")
    try:
        with path.open("rb") as stream:
            content = cast("Array | NpzFile[np.generic]", np.load(stream, allow_pickle=False))
            if isinstance(content, np.ndarray):
                return content
            with content:
                return {key: content[key] for key in content.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        fail(
            "TND-U005",
            f"{path} is not a .npy or .npz file",
            notes=(str(error),),
            help="write it with numpy.save or numpy.savez",
        )


def _member(arrays: Mapping[str, Array], name: str, path: Path) -> Array:
    if name not in arrays:
        notes = (f"it holds: {', '.join(sorted(arrays))}",)
        help_ = suggest(name, arrays) or "name an array of the file as the input is called"
        fail("TND-U001", f"{path} holds no array '{name}'", notes=notes, help=help_)
    return arrays[name]


def random_array(shape: Sequence[int], dtype: npt.DTypeLike, rng: np.random.Generator) -> Array:
    """Return an array of ``shape`` and ``dtype`` that most models accept."""
    wanted = np.dtype(dtype)
    if wanted.kind == "b":
        return rng.integers(0, 2, shape).astype(wanted)
    if wanted.kind in "iu":
        return rng.integers(0, _MAX_INTEGER, shape).astype(wanted)
    return rng.standard_normal(shape).astype(wanted)
