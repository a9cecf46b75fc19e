"""Cases of failures in a call: an exception of a foreign function reaches the caller, and the next call works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

import tondo_runtime
from tondo.ir import CallPacked, IRModule, TensorType
from tondo_conformance.backend import Array, Backend
from tondo_conformance.case import Case, case
from tondo_conformance.graphs import Graph
from tondo_conformance.outcome import mismatch
from tondo_runtime import RuntimeFailure

NAME: Final = "tondo_conformance.sometimes"
_ROUNDS: Final = 50


def cases() -> Iterator[Case]:
    """Yield every case."""
    yield case("L4", "failures", "exception", _exception)
    yield case("L4", "failures", "interrupt", _interrupt)


def _module(backend: Backend) -> IRModule:
    graph = Graph(backend.extensions.operators)
    x = graph.input("x", (4, 8))
    y = graph.call("relu", graph.call("neg", x))
    kind: TensorType = y.tensor
    (z,) = graph.bind(CallPacked(NAME, (y,)), kind, name="z")
    return graph.module(graph.call("add", z, x))


def _sometimes(x: Array, y: Array) -> None:
    """Copy, and fail where an element says so."""
    if x[0, 0] == 3:
        raise ValueError("three")
    if x[0, 0] == 4:
        raise KeyboardInterrupt
    np.copyto(y, x)


def _exception(backend: Backend) -> None:
    """An exception of a foreign function is told to the caller with a code; the model stays usable."""
    _alternately(backend, -3, RuntimeFailure)


def _interrupt(backend: Backend) -> None:
    """An interrupt in a foreign function reaches the caller; the model stays usable."""
    _alternately(backend, -4, KeyboardInterrupt)


def _alternately(backend: Backend, bad: float, expected: type[BaseException]) -> None:
    tondo_runtime.register(NAME, _sometimes, override=True)
    try:
        model = backend.compile(_module(backend))
        good, wrong = np.full((4, 8), -1, np.float32), np.full((4, 8), bad, np.float32)
        for number in range(_ROUNDS):
            try:
                model.run({"x": wrong})
            except expected as error:
                if isinstance(error, RuntimeFailure) and error.code != "TND-R001":
                    mismatch(f"the exception is told with {error.code}, expected TND-R001")
            except BaseException as error:  # noqa: BLE001  any other exception is what the case looks for
                mismatch(f"the caller gets {type(error).__name__}: {error}")
            else:
                mismatch("the exception does not reach the caller")
            (found,) = model.run({"x": good}).values()
            if not np.array_equal(found, np.zeros((4, 8), np.float32)):
                mismatch(f"after {number + 1} failures the answer is wrong")
        model.close()
    finally:
        tondo_runtime.remove(NAME)
