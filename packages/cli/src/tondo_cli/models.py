"""From the options of a command line to something that runs: a compiled model or a loaded artifact."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import tondo_runtime
from tondo import compile
from tondo.diagnostics import fail
from tondo.driver import Model, PipelineFile, Plan, Tools, config_of, make_plan
from tondo.plugin import Extensions, check_lock, collect, read_lock
from tondo_cli.inputs import Array, parse_limits, parse_shapes
from tondo_runtime import Profile, TensorSpec


class Runnable(Protocol):
    """What a compiled model and a loaded artifact have in common."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the inputs."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the outputs."""
        ...

    def run(self, inputs: Mapping[str, object], outputs: Mapping[str, object] | None = None) -> dict[str, Array]:
        """Run on named inputs and return the outputs by name."""
        ...

    def profile(self) -> AbstractContextManager[Profile]:
        """Record kernel times while the context is open."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose about compilation; None and empty stand for the defaults."""

    config: Path | None = None
    target: str | None = None
    threads: int | None = None
    numerics: str | None = None
    shapes: Sequence[str] = ()
    plugins: str = ""
    locked: Path | None = None
    extensions: Extensions | None = field(default=None)
    ops: Sequence[str] = ()
    limits: Sequence[str] = ()

    def file(self) -> PipelineFile:
        """Return the pipeline file with the shapes and the limits of the command line laid over it."""
        file = config_of(self.config)
        shapes, limits = parse_shapes(self.shapes), parse_limits(self.limits)
        model = file.config.model
        if shapes:
            inputs = {**model.inputs, **{name: list(shape) for name, shape in shapes.items()}}
            model = model.model_copy(update={"inputs": inputs})
        if limits:
            stated = model.options.get("limits")
            known = stated if isinstance(stated, Mapping) else {}
            model = model.model_copy(update={"options": {**model.options, "limits": {**known, **limits}}})
        if model is file.config.model:
            return file
        return PipelineFile(file.config.model_copy(update={"model": model}), file.places, file.folder)

    def collected(self) -> Extensions:
        """Return what the chosen plugins bring."""
        if self.extensions is not None:
            return self.extensions
        extensions = collect(self.plugins)
        if self.locked is not None:
            check_lock(read_lock(self.locked), extensions, str(self.locked))
        return extensions

    def plan(self, model: Path | None) -> Plan:
        """Return what compiling ``model`` would do."""
        return make_plan(model, self.target, self.threads, self.numerics, self.file(), self.collected(), self.ops)

    def compile(self, model: Path | None, tools: Tools) -> Model:
        """Return the compiled ``model``, or the one that the pipeline file names if None."""
        return compile(
            model,
            target=self.target,
            threads=self.threads,
            numerics=self.numerics,
            config=self.file(),
            ops=self.ops,
            extensions=self.collected(),
            tools=tools,
        )

    def open(self, model: Path, tools: Tools) -> Runnable:
        """Return the loaded artifact, or the compiled model.

        Raises:
            TondoError: TND-U005 if options of compilation are given for an artifact, which is compiled already.
        """
        if not is_artifact(model):
            return self.compile(model, tools)
        given = {"--config": self.config, "--target": self.target, "--numerics": self.numerics}
        useless = [option for option, value in given.items() if value is not None]
        useless += ["--ops"] if self.ops else []
        useless += ["--limit"] if self.limits else []
        if useless:
            fail(
                "TND-U005",
                f"{model} is compiled already, {' and '.join(useless)} cannot change it",
                help="leave the option out, or give the model that the artifact was compiled from",
            )
        return tondo_runtime.load(model, threads=self.threads)


def is_artifact(path: Path) -> bool:
    """Return whether ``path`` is a file that ``tondo compile`` writes: named ``.tondo``, or a zip archive."""
    return path.is_file() and (path.suffix == ".tondo" or zipfile.is_zipfile(path))
