"""Cases of mistakes: options, targets, modules and calls that are wrong are refused with a code of the right kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

import tondo
from tondo.diagnostics import TondoError
from tondo.driver import Model, PipelineFile, config_of
from tondo.ir import Attrs, Call, CallDps, CallPacked, GraphFunction, GraphVar, IRModule, TensorType, dtype
from tondo_conformance.backend import Backend
from tondo_conformance.case import Case, case
from tondo_conformance.graphs import Graph, tensor_type
from tondo_conformance.outcome import Skip, mismatch, told
from tondo_runtime import RuntimeFailure

_X = tensor_type((3, 4), "float32")
_NOBODY = "nobody.knows.this"


def cases() -> Iterator[Case]:
    """Yield every case."""
    for name, work in _OPTIONS.items():
        yield case("L1", "options", name, work)
    for name, work in _MODULES.items():
        yield case("L1", "modules", name, work)
    for name, work in _CALLS.items():
        yield case("L1", "calls", name, work)


def refused(action: Callable[[], object], *codes: str) -> None:
    """Run ``action``, which has to be refused with a code that begins like one of ``codes``.

    Raises:
        Mismatch: if it is not.
    """
    try:
        action()
    except (TondoError, RuntimeFailure) as error:
        if not error.code.startswith(codes):
            mismatch(f"refused with {error.code}, expected {' or '.join(codes)}: {told(error)}")
        if not told(error).strip():
            mismatch(f"{error.code} has no message")
        return
    mismatch("it was not refused")


def _tiny(backend: Backend) -> IRModule:
    graph = Graph(backend.extensions.operators)
    return graph.module(graph.call("relu", graph.input("x", ("n", 4))))


# ------------------------------------------------------------------------------------------ options


def _compile(backend: Backend, config: PipelineFile | None = None, **options: object) -> object:
    given: dict[str, object] = {"target": backend.settings.target or None, **options}
    return tondo.compile(
        _tiny(backend),
        config=config or backend.pipeline,
        extensions=backend.extensions,
        **given,  # pyright: ignore[reportArgumentType]
    )


def _changed(backend: Backend, **changes: object) -> PipelineFile:
    base = backend.pipeline.config.model_dump(exclude_unset=True)
    return config_of({**base, **changes})


def _unknown_codegen_option(backend: Backend) -> None:
    """An option that the code generator does not have is refused."""
    if backend.steps.codegen is None:
        raise Skip("there is no code generator")
    codegen = {"use": backend.steps.codegen.name, "no_such_option": 1}
    refused(lambda: _compile(backend, _changed(backend, codegen=codegen)), "TND-C")


def _unknown_codegen(backend: Backend) -> None:
    """A code generator that does not exist is refused."""
    if backend.steps.codegen is None:
        raise Skip("there is no code generator")
    refused(lambda: _compile(backend, _changed(backend, codegen={"use": _NOBODY})), "TND-C")


def _unknown_pass(backend: Backend) -> None:
    """A pass that does not exist is refused."""
    refused(lambda: _compile(backend, _changed(backend, passes=[{"use": _NOBODY}])), "TND-C")


def _unknown_pass_option(backend: Backend) -> None:
    """An option that a pass does not have is refused, for each pass of the pipeline."""
    for entry in backend.steps.passes:
        passes = [{"use": entry.name, "no_such_option": 1}]
        refused(lambda passes=passes: _compile(backend, _changed(backend, passes=passes)), "TND-C")


def _unknown_cpu(backend: Backend) -> None:
    """A machine that the target's kind does not have is refused."""
    kind = backend.steps.target.kind
    refused(lambda: _compile(backend, target={"kind": kind, "cpu": "no-such-machine"}), "TND-U")


def _unknown_feature(backend: Backend) -> None:
    """A feature that the target does not have is refused."""
    kind = backend.steps.target.kind
    refused(lambda: _compile(backend, target={"kind": kind, "features": ["+no-such-feature"]}), "TND-U")


def _no_threads(backend: Backend) -> None:
    """A number of threads that is none is refused."""
    for threads in (0, -1):
        refused(lambda threads=threads: _compile(backend, threads=threads), "TND-U", "TND-C")


def _unknown_numerics(backend: Backend) -> None:
    """A precision that does not exist is refused."""
    refused(lambda: _compile(backend, numerics="lowest"), "TND-U", "TND-C")


# ------------------------------------------------------------------------------------------ modules


def _module(*bindings_of: Callable[[Graph, GraphVar], tuple[GraphVar, ...]]) -> Callable[[Backend], IRModule]:
    def make(backend: Backend) -> IRModule:
        graph = Graph(backend.extensions.operators)
        x = graph.input("x", (3, 4))
        results = tuple(var for bind in bindings_of for var in bind(graph, x))
        return graph.module(*results)

    return make


def _wrong_module(make: Callable[[Backend], IRModule], codes: tuple[str, ...], backend: Backend) -> None:
    """A module that makes no sense is refused, never run and never a crash."""

    def action() -> None:
        model = backend.reference(make(backend)) if backend.interpreted else _forced(backend, make(backend))
        model.run({"x": np.zeros((3, 4), np.float32)})

    refused(action, *codes)


def _forced(backend: Backend, module: IRModule) -> Model:
    return tondo.compile(
        module, target=backend.settings.target or None, config=backend.pipeline, extensions=backend.extensions
    )


def _unknown_operator(graph: Graph, x: GraphVar) -> tuple[GraphVar, ...]:
    return graph.bind(Call(_NOBODY, (x,)), _X)


def _missing_function(graph: Graph, x: GraphVar) -> tuple[GraphVar, ...]:
    return graph.bind(CallDps(_NOBODY, (x,)), _X)


def _missing_packed(graph: Graph, x: GraphVar) -> tuple[GraphVar, ...]:
    return graph.bind(CallPacked(_NOBODY, (x,)), _X)


def _wrong_attribute(graph: Graph, x: GraphVar) -> tuple[GraphVar, ...]:
    return graph.bind(Call("softmax", (x,), Attrs(axis=9)), _X)


def _wrong_type(graph: Graph, x: GraphVar) -> tuple[GraphVar, ...]:
    return graph.bind(Call("relu", (x,)), TensorType(_X.shape, dtype("int32")))


def _undefined(graph: Graph, x: GraphVar) -> tuple[GraphVar, ...]:
    return graph.bind(Call("add", (x, GraphVar("nowhere", _X))), _X)


def _no_main(backend: Backend) -> IRModule:
    del backend
    x = GraphVar("x", _X)
    return IRModule.of(GraphFunction("other", (x,), (), (x,)))


_BROKEN = ("TND-B", "TND-M", "TND-U", "TND-R")

# ------------------------------------------------------------------------------------------ calls


def _call(feed: Mapping[str, object], codes: tuple[str, ...], backend: Backend) -> None:
    """A call with unsuitable inputs is refused, and the next call works."""
    model = backend.model(_tiny(backend))
    refused(lambda: model.run(feed), *codes)
    good = np.arange(-4, 4, dtype=np.float32).reshape(2, 4)
    (answer,) = model.run({"x": good}).values()
    if not np.array_equal(answer, np.maximum(good, 0)):
        mismatch("the call after the refused one is wrong")


def _wrong_output(backend: Backend) -> None:
    """A bound output of another shape is refused."""
    model = backend.model(_tiny(backend))
    x = np.zeros((2, 4), np.float32)
    refused(lambda: model.run({"x": x}, {"y0": np.zeros((3, 4), np.float32)}), "TND-U")
    refused(lambda: model.run({"x": x}, {"nobody": np.zeros((2, 4), np.float32)}), "TND-U")


def _bound_output(backend: Backend) -> None:
    """A bound output is written and returned."""
    model = backend.model(_tiny(backend))
    x, out = np.full((2, 4), 2, np.float32), np.zeros((2, 4), np.float32)
    answer = model.run({"x": x}, {"y0": out})["y0"]
    if not np.array_equal(out, x) or not np.shares_memory(answer, out):
        mismatch("the array that was given as output does not hold the result")


_F = np.zeros((2, 4), np.float32)

_OPTIONS = {
    "unknown-codegen": _unknown_codegen,
    "unknown-codegen-option": _unknown_codegen_option,
    "unknown-pass": _unknown_pass,
    "unknown-pass-option": _unknown_pass_option,
    "unknown-machine": _unknown_cpu,
    "unknown-feature": _unknown_feature,
    "no-threads": _no_threads,
    "unknown-numerics": _unknown_numerics,
}
_MODULES = {
    "unknown-operator": partial(_wrong_module, _module(_unknown_operator), ("TND-M",)),
    "missing-function": partial(_wrong_module, _module(_missing_function), _BROKEN),
    "missing-packed": partial(_wrong_module, _module(_missing_packed), ("TND-R",)),
    "wrong-attribute": partial(_wrong_module, _module(_wrong_attribute), _BROKEN),
    "wrong-type": partial(_wrong_module, _module(_wrong_type), _BROKEN),
    "undefined-value": partial(_wrong_module, _module(_undefined), _BROKEN),
    "no-main": partial(_wrong_module, _no_main, _BROKEN),
}
_CALLS = {
    "wrong-rank": partial(_call, {"x": _F[0]}, ("TND-U",)),
    "wrong-shape": partial(_call, {"x": _F[:, :3]}, ("TND-U",)),
    "wrong-dtype": partial(_call, {"x": _F.astype(np.float64)}, ("TND-U",)),
    "missing-input": partial(_call, {}, ("TND-U",)),
    "unknown-input": partial(_call, {"x": _F, "y": _F}, ("TND-U",)),
    "no-array": partial(_call, {"x": object()}, ("TND-U",)),
    "wrong-output": _wrong_output,
    "bound-output": _bound_output,
}
