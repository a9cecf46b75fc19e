"""A compiled model in the process that compiled it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tondo.diagnostics import fail
from tondo.ir import IRModule
from tondo.passes import Timing
from tondo_runtime import Manifest, Profile, TensorSpec, write_artifact
from tondo_runtime.artifact import copy_artifact

Array = npt.NDArray[np.generic]


class Engine(Protocol):
    """What runs a model: a session of the runtime, or the interpreter."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the inputs."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the outputs."""
        ...

    def __call__(self, *args: object, **named: object) -> Array | tuple[Array, ...]:
        """Run on inputs in order or by name; one output array, or a tuple of them."""
        ...

    def run(
        self,
        inputs: Mapping[str, object],
        outputs: Mapping[str, object] | None = None,
        *,
        profile: Profile | None = None,
    ) -> dict[str, Array]:
        """Run on named inputs; outputs by name."""
        ...

    def profile(self) -> AbstractContextManager[Profile]:
        """Record kernel times while the context is open."""
        ...

    def close(self) -> None:
        """Unload the code."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What an artifact is written from."""

    manifest: Manifest
    module_text: str
    code: Mapping[str, bytes]
    weights: Mapping[str, Array]

    def write(self, path: str | os.PathLike[str]) -> Manifest:
        """Write the artifact; returns its manifest with digests."""
        return write_artifact(path, self.manifest, self.module_text, self.code, self.weights)


class Model:
    """A compiled model: call it with arrays, get arrays.

    Example:
        >>> model = tondo.compile("model.onnx")
        >>> y = model(x)  # positional or by name; a tuple if there are several outputs
        >>> outputs = model.run({"x": x})  # {output name: array}
        >>> model.save("model.tondo")
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        *,
        parts: Callable[[], Parts] | None = None,
        module: IRModule | None = None,
        timing: Timing | None = None,
        from_cache: bool = False,
        stored: Path | None = None,
    ) -> None:
        """Wrap ``engine``; the driver makes models.

        Args:
            name: name of the model.
            engine: what runs it.
            parts: makes what :meth:`save` writes, or None where there is no code to save.
            module: the module after the last pass, or None for a model from the cache.
            timing: where the time of the compilation went.
            from_cache: whether the artifact was found in the cache.
            stored: the artifact in the cache, which :meth:`save` copies as long as it is there.
        """
        self.name = name
        self.engine = engine
        self.module = module
        self.timing = timing or Timing()
        self.from_cache = from_cache
        self._parts = parts
        self._stored = stored

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the inputs."""
        return self.engine.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the outputs."""
        return self.engine.outputs

    def __call__(self, *args: object, **named: object) -> Array | tuple[Array, ...]:
        """Run the model on numpy arrays or DLPack objects, in order or by name.

        Returns:
            The output array, or a tuple of them unless there is exactly one.

        Raises:
            RuntimeFailure: TND-U... for unsuitable inputs, TND-R... if the execution fails.
        """
        return self.engine(*args, **named)

    def run(
        self,
        inputs: Mapping[str, object],
        outputs: Mapping[str, object] | None = None,
        *,
        profile: Profile | None = None,
    ) -> dict[str, Array]:
        """Run the model on named inputs and return its outputs by name.

        Args:
            inputs: every input by name, numpy arrays or DLPack objects in CPU memory.
            outputs: arrays to write some or all outputs into, by name.
            profile: where to add the times of this call.

        Raises:
            RuntimeFailure: TND-U... for unsuitable inputs or outputs, TND-R... if the execution fails.
        """
        return self.engine.run(inputs, outputs, profile=profile)

    def profile(self) -> AbstractContextManager[Profile]:
        """Record kernel times of all calls while the returned context is open."""
        return self.engine.profile()

    def save(self, path: str | os.PathLike[str]) -> Manifest:
        """Write the model as an artifact, which ``tondo_runtime.load`` runs without the compiler.

        Raises:
            TondoError: TND-U005 for a model that is interpreted and so has no code.
            RuntimeFailure: TND-U005 if the file cannot be written.
        """
        if self._parts is None:
            fail("TND-U005", "an interpreted model has no code to save", help="compile it for the target 'native'")
        with self.timing.measure("save"):
            copied = None if self._stored is None else copy_artifact(self._stored, path)
            return self._parts().write(path) if copied is None else copied

    def close(self) -> None:
        """Unload the code."""
        self.engine.close()

    def __repr__(self) -> str:
        """Return name and signature."""
        return f"<tondo Model {self.name!r}, {len(self.inputs)} inputs, {len(self.outputs)} outputs>"
