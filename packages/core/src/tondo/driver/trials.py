"""Pieces of a model, compiled and run while the model is compiled, so that passes decide by time.

Results are remembered: in this process, and, where artifacts are cached, in the cache's folder. The key is made of the
piece, the target, the passes that follow with their options, the code generator and the versions of the plugins; so
the second compilation measures nothing, and decides as the first one did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from tondo.diagnostics import TondoError
from tondo.driver.cache import cache_key
from tondo.driver.pipeline import pass_specs
from tondo.ir import (
    Binary,
    CallDps,
    Compare,
    Const,
    ConstantRef,
    Intrin,
    Invoke,
    Store,
    TensorFunction,
    Unary,
    digest,
    walk,
)
from tondo.passes import PassContext, Times, run_pipeline
from tondo.passes.library import placed
from tondo.support.version import __version__
from tondo.target import parse_target
from tondo_runtime import Profile, RuntimeFailure, Session

if TYPE_CHECKING:
    from tondo.driver.cache import ArtifactCache
    from tondo.driver.plan import Plan
    from tondo.ir import GraphFunction, IRModule, TensorType
    from tondo.passes import Pass
    from tondo.target import Target

SECONDS: Final = 0.25
"""For how long the modules of one question run in turn."""
MOST: Final = 200
"""How often each of them runs at most."""
LEAST: Final = 5
"""How often each of them runs at least."""

Build = Callable[["IRModule", "Plan"], tuple[Session, "IRModule"]]
"""Makes a session of a lowered module, and returns the module that code was generated from."""

_remembered: dict[str, Times] = {}


@dataclass(frozen=True, slots=True)
class MeasuredTrials:
    """Measures for the compilation of ``plan``.

    Attributes:
        plan: what is compiled, and for what.
        build: compiles lowered modules.
        context: what the passes that follow may use.
        cache: where results are kept, None to keep them in this process alone.
    """

    plan: Plan
    build: Build
    context: PassContext
    cache: ArtifactCache | None = None
    _native: list[Target] = field(default_factory=list["Target"])

    def represents(self, target: Target) -> bool:
        """Return whether ``target`` is this machine, whatever number of threads it has."""
        if not self._native:
            try:
                native = parse_target({"kind": target.kind, "cpu": "native"}, self.plan.extensions.targets.values())
            except TondoError:
                return False
            self._native.append(native)
        return replace(self._native[0], threads=target.threads) == target

    def times(self, modules: Sequence[IRModule], after: str) -> Sequence[Times] | None:
        """Return the best times of each of ``modules``, which were run in turn; None if one of them cannot run."""
        if self.plan.codegen is None:
            return None
        keys = [self._key(module, modules, after) for module in modules]
        known = [self._recall(key) for key in keys]
        if all(entry is not None for entry in known):
            return cast("list[Times]", known)
        found = self._measured(modules, after)
        if found is None:
            return None
        for key, entry in zip(keys, found, strict=True):
            _remembered[key] = entry
            if self.cache is not None:
                self.cache.note(key, {"computing": entry.computing, "moving": entry.moving})
        return found

    def _key(self, module: IRModule, modules: Sequence[IRModule], after: str) -> str:
        """Return the key of ``module`` measured among ``modules``; the contents of constants do not count."""
        codegen = self.plan.codegen
        return cache_key(
            {
                "tondo": __version__,
                "module": _structure(module),
                "beside": [_structure(other) for other in modules],
                "passes": pass_specs(self._following(after)),
                "settings": [self.plan.effective.get(name) for name in ("target", "numerics", "codegen")],
                "plugins": self.plan.extensions.versions(),
                "codegen": codegen.digest() if codegen is not None else "",
            }
        )

    def _following(self, after: str) -> tuple[Pass, ...]:
        places = [index for index, entry in enumerate(self.plan.passes) if entry.name == after]
        return self.plan.passes[places[-1] + 1 :] if places else ()

    def _recall(self, key: str) -> Times | None:
        if key not in _remembered and self.cache is not None:
            values = self.cache.noted(key)
            if values is not None and all(isinstance(values.get(name), float) for name in ("computing", "moving")):
                _remembered[key] = Times(cast("float", values["computing"]), cast("float", values["moving"]))
        return _remembered.get(key)

    def _measured(self, modules: Sequence[IRModule], after: str) -> list[Times] | None:
        passes = self._following(after)
        runs: list[_Run] = []
        try:
            for module in modules:
                lowered = run_pipeline(module, passes, self.context, properties=("graph", "defined"), verify="never")
                session, generated = self.build(lowered, self.plan)
                runs.append(_Run(session, _inputs(module), _moving(generated), Profile(session.manifest.kernels)))
            return _alternate(runs)
        except RuntimeFailure:
            return None
        finally:
            for run in runs:
                run.session.close()


@dataclass(frozen=True, slots=True)
class _Run:
    session: Session
    inputs: Mapping[str, np.ndarray]
    moving: frozenset[str]
    profile: Profile

    def times(self) -> Times:
        """Return the sum of the best times of all kernels, apart for those that only move elements."""
        rows = self.profile.table()
        moving = sum(row.min_ns for row in rows if row.name in self.moving)
        return Times((sum(row.min_ns for row in rows) - moving) / 1e9, moving / 1e9)


def _alternate(runs: Sequence[_Run]) -> list[Times]:
    for run in runs:
        run.session.run(run.inputs)
    end = time.perf_counter() + SECONDS
    for count in range(MOST):
        if count >= LEAST and time.perf_counter() > end:
            break
        for run in runs:
            run.session.run(run.inputs, profile=run.profile)
    return [run.times() for run in runs]


def _structure(module: IRModule) -> list[object]:
    """Return what decides how long ``main`` takes, free of names and of the contents of constants."""
    digests = {function.name: digest(function) for function in module.tensor_functions()}
    return [
        [digests.get(item, item) if isinstance(item, str) else f"{type(item).__name__} {item}" for item in parts]
        for parts in _calls(module.graph("main"))
    ]


def _calls(graph: GraphFunction) -> Iterator[list[object]]:
    for binding in graph.bindings:
        call = binding.operation
        assert isinstance(call, CallDps)
        atoms = [(isinstance(atom, ConstantRef), str(atom.type)) for atom in (*call.args, *binding.vars)]
        yield [call.function, *call.scalars, *atoms]


def _inputs(module: IRModule) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {param.name: _array(param.tensor, generator) for param in module.graph("main").params}


def _array(type_: TensorType, generator: np.random.Generator) -> np.ndarray:
    shape = tuple(int(extent.value) for extent in type_.dims if isinstance(extent, Const))
    values = generator.standard_normal(shape) if type_.dtype.is_float else generator.integers(0, 2, shape)
    return values.astype(type_.dtype.numpy)


def _moving(module: IRModule) -> frozenset[str]:
    """Return the names of the functions that only move elements."""
    return frozenset(function.name for function in module.tensor_functions() if _moves(function))


def _moves(function: TensorFunction) -> bool:
    if placed(function) or any(isinstance(item, Invoke) for item in walk(function.body)):
        return False
    values = (item.value for item in walk(function.body) if isinstance(item, Store))
    computing = (Binary, Unary, Intrin, Compare)
    return not any(isinstance(item, computing) and item.dtype.is_float for value in values for item in walk(value))
