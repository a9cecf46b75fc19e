"""A model that is not compiled: every call is executed by the reference interpreter, with the checks of a session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np

from tondo.diagnostics import fail
from tondo.driver.manifest import ENTRY, Bounds, graph_signature
from tondo.interp import run_graph
from tondo.ir import IRModule, Operator
from tondo_runtime import Manifest, Profile, TensorSpec
from tondo_runtime.binding import arrange, bind_symbols, give_objects, take_input, take_objects, take_output
from tondo_runtime.objects import scope
from tondo_runtime.tensors import Array

Execute = Callable[[Sequence[Array]], Sequence[Array]]
"""Runs the model on its inputs, in order, and returns its outputs, in order."""


class Interpreted:
    """Looks like a session of the runtime; the signature is that of ``manifest``."""

    def __init__(self, manifest: Manifest, execute: Execute) -> None:
        """Call ``execute`` for every run."""
        self.manifest = manifest
        self._execute = execute

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the inputs."""
        return self.manifest.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the outputs."""
        return self.manifest.outputs

    def __call__(self, *args: object, **named: object) -> Array | tuple[Array, ...]:
        """Run the model; see :meth:`tondo.driver.model.Model.__call__`."""
        results = self._run(arrange(self.inputs, args, named), {})
        return results[0] if len(results) == 1 else tuple(results)

    def run(
        self,
        inputs: Mapping[str, object],
        outputs: Mapping[str, object] | None = None,
        *,
        profile: Profile | None = None,
    ) -> dict[str, Array]:
        """Run the model on named inputs; the interpreter records nothing in ``profile``."""
        del profile
        results = self._run(arrange(self.inputs, (), inputs), outputs or {})
        return {spec.name: array for spec, array in zip(self.outputs, results, strict=True)}

    @contextlib.contextmanager
    def profile(self) -> Generator[Profile]:
        """Return a profile that stays empty: there are no kernels."""
        yield Profile(())

    def close(self) -> None:
        """Do nothing; there is no code to unload."""

    def _run(self, values: Sequence[object], bound: Mapping[str, object]) -> list[Array]:
        with scope():
            results = self._run_arrays(take_objects(self.inputs, values), bound)
            return give_objects(self.outputs, results, [bound.get(spec.name) for spec in self.outputs])

    def _run_arrays(self, values: Sequence[object], bound: Mapping[str, object]) -> list[Array]:
        arrays = [take_input(spec, value) for spec, value in zip(self.inputs, values, strict=True)]
        bind_symbols(self.manifest, tuple(array.shape for array in arrays))
        known = [spec.name for spec in self.outputs]
        for name in bound:
            if name not in known:
                fail("TND-U001", f"the model has no output '{name}'", notes=[f"its outputs: {', '.join(known)}"])
        results: list[Array] = []
        for spec, value in zip(self.outputs, self._execute(arrays), strict=True):
            if spec.name not in bound:
                results.append(np.array(value))  # a copy: it may be an input or a constant of the module
                continue
            target = take_output(spec, bound[spec.name], value.shape, arrays)
            np.copyto(target, value)
            results.append(target)
        return results


def interpret(
    module: IRModule, name: str, operators: Mapping[str, Operator], bounds: Bounds | None = None
) -> Interpreted:
    """Return the graph function ``main`` of ``module`` as a model called ``name``; ``bounds`` are those of dimensions.

    Raises:
        TondoError: TND-B001 if there is none or its inputs are not tensors of known rank.
    """
    signature = graph_signature(module, bounds)
    manifest = Manifest(name, ENTRY, signature.inputs, signature.outputs, signature.symbols)
    return Interpreted(manifest, lambda arrays: run_graph(module, arrays, operators))
