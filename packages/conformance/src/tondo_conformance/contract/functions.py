"""Cases of tensor functions: every form with every element type, conversions, intrinsics, odd element types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np

from tondo.ir import INTRINSICS, Const, TensorFunction
from tondo_conformance.backend import Array, Backend
from tondo_conformance.case import Case, case
from tondo_conformance.contract.forms import FORMS, Form, cast_form, intrinsic_form
from tondo_conformance.graphs import Graph
from tondo_conformance.values import FLOATS, TINY, Values, between, normal, numpy_dtype

_SIZES: Final = (1, 5, 37)
_CASTS: Final = (*FLOATS, "bool", "int8", "int32", "int64", "uint8")
_FURTHER: Final = (*TINY, "float4_e2m1fn", "int16", "uint16", "uint32", "uint64", "int4", "uint4", "complex64")
_NUMPY_LESS: Final = frozenset({"isnan", "isinf", "popcount", "reinterpret"})
_INSIDE: Final = (-0.9, 0.9)
_DOMAINS: Final = {"acosh": (1.1, 4), "atanh": _INSIDE, "acos": _INSIDE, "asin": _INSIDE, "log1p": (-0.5, 3)}


def cases() -> Iterator[Case]:
    """Yield every case; a refusal with a code is an answer at this level."""
    for form in FORMS:
        for index, kind in enumerate(form.dtypes):
            about = f"A tensor function of the form '{form.name}' compiles and is right, or is refused."
            work = partial(_form, form, kind)
            yield case("L1", form.name, "form", work, dtype=kind, about=about, quick=index == 0)
    for kind in _FURTHER:
        work = partial(_form, FORMS[0], kind)
        yield case("L1", "map", "form", work, dtype=kind, about=f"{kind} is supported or refused.", quick=False)
    for source in _CASTS:
        for wanted in _CASTS:
            if source != wanted:
                work = partial(_cast, source, wanted)
                about = f"Conversion from {source} to {wanted}."
                yield case("L1", f"cast-to-{wanted}", "form", work, dtype=source, about=about, quick=False)
    for info in INTRINSICS.values():
        if info.elementwise and info.pure and info.name not in _NUMPY_LESS:
            for kind in FLOATS:
                work = partial(_intrinsic, info.name, info.arity, kind)
                about = f"The intrinsic '{info.name}': {info.meaning}."
                yield case("L1", f"intrinsic-{info.name}", "form", work, dtype=kind, about=about, quick=False)


def _form(form: Form, kind: str, backend: Backend) -> dict[str, float]:
    return run(form.make(kind), form.values, backend, form.depth)


def _cast(source: str, wanted: str, backend: Backend) -> dict[str, float]:
    return run(cast_form(source, wanted), (between(0, 100),), backend)


def _intrinsic(name: str, arity: int, kind: str, backend: Backend) -> dict[str, float]:
    low, high = _DOMAINS.get(name, (0.1, 3))
    return run(intrinsic_form(name, arity, kind), (between(low, high),) * arity, backend)


def run(function: TensorFunction, values: Sequence[Values], backend: Backend, depth: int = 1) -> dict[str, float]:
    """Compile a graph that calls ``function`` and compare it for several sizes of its dimension."""
    graph = Graph(backend.extensions.operators)
    inputs = [graph.input(buffer.name, buffer.shape, str(buffer.dtype)) for buffer in function.input_buffers]
    module = graph.module(*graph.call_function(function, *inputs))
    feeds = [_feed(function, values, size) for size in _SIZES]
    return backend.check(module, feeds, depth)


def _feed(function: TensorFunction, values: Sequence[Values], size: int) -> dict[str, Array]:
    rng = np.random.default_rng(size)
    found: dict[str, Array] = {}
    for index, buffer in enumerate(function.input_buffers):
        shape = tuple(int(extent.value) if isinstance(extent, Const) else size for extent in buffer.shape)
        make = values[index] if index < len(values) else normal
        found[buffer.name] = make(rng, shape, numpy_dtype(buffer.dtype.numpy.name))
    return found
