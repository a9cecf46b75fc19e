"""What a user wants compiled: a file, an object in memory that a frontend claims, or a module."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tondo.diagnostics import fail, suggest
from tondo.driver.config import Config
from tondo.driver.config_file import PipelineFile
from tondo.driver.guard import guard
from tondo.ir import IRModule, Operator
from tondo.plugin import Frontend, LoadOptions, Option, SourceDigest
from tondo.script import script


@dataclass(slots=True)
class Source:
    """A source and how to read it; it is loaded at most once."""

    value: object
    frontend: Frontend | None
    options: LoadOptions
    _module: IRModule | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Name of the model: the configured one, else the file's, else ``model``."""
        if self.options.name is not None:
            return self.options.name
        return Path(self.value).stem if isinstance(self.value, Path) else "model"

    def load(self) -> IRModule:
        """Return the module.

        Raises:
            TondoError: what the frontend raises.
        """
        if self._module is None:
            self._module = self._read()
        return self._module

    def with_sizes(self, sizes: Mapping[str, int]) -> Source:
        """Return the same source with dimensions of certain sizes.

        Raises:
            TondoError: TND-U005 for a source that is a module: only a frontend can read a model with other sizes.
        """
        if self.frontend is None:
            fail(
                "TND-U005",
                f"preferred sizes of {', '.join(sizes)} need a model that a frontend reads, this is a module",
                help="leave out 'prefer', or compile the model file",
            )
        fixed = {name: (size, size) for name, size in sizes.items()}
        return Source(self.value, self.frontend, replace(self.options, dimensions={**self.options.dimensions, **fixed}))

    def digest(self) -> str:
        """Return a text that differs whenever the module differs; loads the source if that is the only way."""
        if isinstance(self.frontend, SourceDigest):
            with guard(f"the frontend '{self.frontend.name}'"):
                known = self.frontend.digest(self.value, self.options)
            if known is not None:
                return known
        # the script names constants by their digest
        return hashlib.sha256(script(self.load()).encode()).hexdigest()

    def _read(self) -> IRModule:
        if isinstance(self.value, IRModule):
            return self.value
        if self.frontend is None:
            return fail("TND-M001", "the source has no frontend")
        with guard(f"the frontend '{self.frontend.name}'"):
            return self.frontend.load(self.value, self.options)


def open_source(
    value: object,
    file: PipelineFile,
    frontends: Iterable[Frontend],
    operators: Mapping[str, Operator],
    components: Mapping[str, Mapping[str, object]],
) -> Source:
    """Return the source that ``value`` or, if it is None, the configuration names.

    Frontends use ``operators``, and ``components`` of hooks that packages declared.

    Raises:
        TondoError: TND-U005 if neither names one, TND-U006 if the file is not there, TND-M001 unless exactly one
            frontend claims it.
    """
    if value is None:
        if file.config.model.path is None:
            fail("TND-U005", "no model was given", help="pass one, or write model: {path: ...} in the pipeline file")
        value = (file.folder or Path()) / file.config.model.path
    options = load_options(file.config, operators, components)
    if isinstance(value, IRModule):
        return Source(value, None, options)
    if isinstance(value, str | os.PathLike):
        value = Path(os.fspath(value))
        if not value.exists():
            fail("TND-U006", f"no such file: {value}", help=_nearby(value))
    claims = [frontend for frontend in frontends if _claims(frontend, value)]
    if len(claims) == 1:
        return Source(value, claims[0], options)
    what = str(value) if isinstance(value, Path) else f"a {type(value).__module__}.{type(value).__qualname__}"
    if claims:
        names = ", ".join(frontend.name for frontend in claims)
        fail("TND-M001", f"several frontends claim {what}: {names}", help="leave one out with TONDO_PLUGINS=-NAME")
    known = [f"{frontend.name} reads {', '.join(frontend.suffixes)}" for frontend in frontends]
    return fail(
        "TND-M001",
        f"no frontend reads {what}",
        notes=known or ["no frontend is installed"],
        help="'tondo plugin list' shows frontends; tondo-onnx reads ONNX models",
    )


def _nearby(path: Path) -> str:
    """What to do about a file that is not there."""
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return suggest(path.name, names) or "check the path; it is relative to the current folder, or to the pipeline file"


def _claims(frontend: Frontend, value: object) -> bool:
    with guard(f"the frontend '{frontend.name}'"):
        return frontend.claims(value)


def load_options(
    config: Config, operators: Mapping[str, Operator], components: Mapping[str, Mapping[str, object]]
) -> LoadOptions:
    """Return what a pipeline file says about reading the model."""
    options: dict[str, Option] = dict(config.model.options)
    return LoadOptions(
        inputs={name: tuple(shape) for name, shape in config.model.inputs.items()},
        dimensions={name: (entry.min, entry.max) for name, entry in config.dimensions.items()},
        name=config.model.name,
        options=options,
        operators=operators,
        components=components,
    )


def dimensions_of(config: Config) -> dict[str, tuple[int, int | None]]:
    """Return the bounds of symbolic dimensions, which are at least 1 where nothing is said."""
    return {name: (1 if entry.min is None else entry.min, entry.max) for name, entry in config.dimensions.items()}
