"""The model that cases of the system use, small enough for thousands of calls."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tondo.driver import Model
from tondo.ir import IRModule
from tondo_conformance.backend import Array, Backend
from tondo_conformance.graphs import Graph
from tondo_conformance.outcome import Skip, mismatch

WIDTH = 24
SIZES = (1, 7, 33, 64)


def module(backend: Backend, seed: int = 5) -> IRModule:
    """Return two layers with a softmax, over any number of rows."""
    rng = np.random.default_rng(seed)
    graph = Graph(backend.extensions.operators)
    x = graph.input("x", ("n", WIDTH))
    for columns in (40, WIDTH):
        rows = int(getattr(x.tensor.dims[1], "value", WIDTH))
        x = graph.call("matmul", x, graph.constant((rng.standard_normal((rows, columns)) / 5).astype(np.float32)))
        x = graph.call("tanh", graph.call("add", x, graph.constant(rng.standard_normal(columns).astype(np.float32))))
    return graph.module(graph.call("softmax", x))


@functools.cache
def rows(size: int) -> npt.NDArray[np.float32]:
    """Return an input of ``size`` rows."""
    return np.random.default_rng(size).standard_normal((size, WIDTH)).astype(np.float32)


def answer(model: Model, size: int) -> Array:
    """Return what ``model`` answers for ``size`` rows."""
    return model.run({"x": rows(size)})["y0"]


def expect(found: Array, wanted: Array, what: str) -> None:
    """Compare two answers of one back end, bit by bit.

    Raises:
        Mismatch: if they differ.
    """
    if found.shape != wanted.shape or not np.array_equal(found, wanted):
        mismatch(f"{what}: the answer differs from the first one")


def saved(backend: Backend, folder: Path, name: str = "model.tondo") -> Path:
    """Return the path of the sample, saved as an artifact.

    Raises:
        Skip: if there is no code to save.
    """
    if backend.interpreted:
        raise Skip("an interpreted model cannot be saved")
    path = folder / name
    backend.model(module(backend)).save(path)
    return path
