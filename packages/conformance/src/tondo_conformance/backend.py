"""The back end under test as cases see it: compile, compare with the reference interpreter."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

import tondo
from tondo.diagnostics import TondoError
from tondo.driver import Model, PipelineFile, Steps, choose_steps, config_of, load_config
from tondo.ir import IRModule
from tondo.plugin import Extensions, collect
from tondo_conformance.compare import compare
from tondo_conformance.outcome import Refused, is_refusal, told
from tondo_conformance.settings import Settings

Array = npt.NDArray[np.generic]
Feed = Mapping[str, Array]

INTERPRETER: Final = "interp"
_KEPT: Final = 3
"""How many compiled models stay for the next cases, which often ask about the same module."""


@dataclass(frozen=True, slots=True)
class _Kept:
    module: IRModule
    model: Model


class Backend:
    """Compiles modules by the settings of the test run, and by the interpreter."""

    def __init__(self, settings: Settings, extensions: Extensions | None = None) -> None:
        """Take the installed plugins if ``extensions`` is left out."""
        self.settings = settings
        self.extensions = collect("", strict=False) if extensions is None else extensions
        self._models: list[_Kept] = []
        self._references: list[_Kept] = []

    @functools.cached_property
    def pipeline(self) -> PipelineFile:
        """The pipeline file of the settings, or one of defaults."""
        return load_config(Path(self.settings.config)) if self.settings.config else config_of(None)

    @functools.cached_property
    def steps(self) -> Steps:
        """Target, passes and code generator under test."""
        return choose_steps(self.pipeline, self.settings.target or None, None, self.extensions)

    @property
    def interpreted(self) -> bool:
        """Whether the reference interpreter itself is tested: then there is no code."""
        return self.steps.codegen is None

    def compile(self, module: IRModule, config: PipelineFile | None = None, threads: int | None = None) -> Model:
        """Return ``module`` compiled by the back end.

        Raises:
            Refused: for what is not supported.
            TondoError: for internal errors.
        """
        try:
            return tondo.compile(
                module,
                target=self.settings.target or None,
                threads=threads,
                config=config or self.pipeline,
                extensions=self.extensions,
            )
        except TondoError as error:
            if is_refusal(error.code):
                raise Refused(error.code, told(error)) from error
            raise

    def with_dimensions(self, dimensions: Mapping[str, Mapping[str, int]]) -> PipelineFile:
        """Return the pipeline under test with bounds of symbolic dimensions."""
        config = self.pipeline.config.model_dump(exclude_unset=True)
        changed = config_of({**config, "dimensions": dimensions})
        return PipelineFile(changed.config, self.pipeline.places, self.pipeline.folder)

    def reference(self, module: IRModule, config: PipelineFile | None = None) -> Model:
        """Return ``module`` as the interpreter runs it, with the bounds of dimensions of ``config``."""
        bounds = config.config.model_dump(include={"dimensions"}, exclude_unset=True) if config else None
        return tondo.compile(module, target=INTERPRETER, config=bounds, extensions=self.extensions)

    def model(self, module: IRModule, config: PipelineFile | None = None) -> Model:
        """Return ``module`` compiled; the last few are remembered, unless the pipeline is another one."""
        if config is not None:
            return self.compile(module, config)
        found = _find(self._models, module)
        return found or _keep(self._models, module, self.compile(module))

    def answers(self, module: IRModule, feed: Feed, config: PipelineFile | None = None) -> dict[str, Array]:
        """Return what the interpreter answers; inputs are made contiguous for it."""
        found = None if config else _find(self._references, module)
        model = found or _keep(self._references, module, self.reference(module, config))
        return model.run({name: np.array(value) for name, value in feed.items()})

    def check(
        self,
        module: IRModule,
        feeds: Sequence[Feed],
        depth: int = 1,
        rounding: str = "",
        config: PipelineFile | None = None,
    ) -> dict[str, float]:
        """Compare the answers of back end and interpreter for every feed.

        Args:
            module: what is compiled, once.
            feeds: inputs by name.
            depth: how many roundings one element of a result may depend on; tolerances grow with its square root.
            rounding: element type to which intermediate values are rounded, if not that of the results.
            config: the pipeline, if not the one under test.

        Returns:
            The largest error, as a share of what is tolerated.

        Raises:
            Mismatch: if they differ by more than the element types tolerate.
        """
        model = self.model(module, config)
        worst = 0.0
        for feed in feeds:
            expected = self.answers(module, feed, config)
            actual = model.run(feed)
            for name, wanted in expected.items():
                worst = max(worst, compare(name, actual[name], wanted, depth, feed, rounding))
        return {"error": worst}


def _find(known: list[_Kept], module: IRModule) -> Model | None:
    for kept in known:
        if kept.module is module or kept.module == module:
            return kept.model
    return None


def _keep(known: list[_Kept], module: IRModule, model: Model) -> Model:
    known.append(_Kept(module, model))
    if len(known) > _KEPT:
        known.pop(0).model.close()
    return model
