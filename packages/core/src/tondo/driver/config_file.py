"""Loading pipeline files: from text or mapping to a checked :class:`Config`, every error with line and column."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from tondo.diagnostics import Diagnostic, Span, TondoError, fail, suggest
from tondo.driver.config import Config
from tondo.driver.yaml_tree import Tree, line_of, parse_yaml

Location = tuple[str | int, ...]
"""Keys and indices from the root of a file to a value."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the values of a file stand."""

    text: str
    tree: Tree

    def of(self, location: Location, *, key: bool = False) -> Span:
        """Return the place of the value at ``location`` (of its key if ``key``), or of the nearest known parent."""
        tree = self.tree
        span = tree.span
        for part in location:
            inner = tree.parts.get(part)
            if inner is None:
                break
            span = tree.keys[part] if key and isinstance(part, str) and part in tree.keys else inner.span
            tree = inner
        return span

    def line(self, span: Span) -> str | None:
        """Return the text of the line of ``span``."""
        return line_of(self.text, span.line)


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """A checked configuration, with the places of its values and the folder of its file where there is one."""

    config: Config
    places: Places | None = None
    folder: Path | None = None

    def diagnostic(
        self,
        code: str,
        message: str,
        location: Location,
        *,
        key: bool = False,
        notes: tuple[str, ...] = (),
        help_: str | None = None,
    ) -> Diagnostic:
        """Return a diagnostic about the value at ``location``."""
        return _diagnostic(self.places, code, message, location, key=key, notes=notes, help_=help_)


def load_config(path: str | Path) -> PipelineFile:
    """Return the configuration in the YAML file ``path``.

    Raises:
        TondoError: TND-U006 for a file that cannot be read, else as :func:`parse_config`.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        fail("TND-C005", f"{file} is not UTF-8 text", span=Span(str(file)), notes=[str(error)])
    except OSError as error:
        fail("TND-U006", f"the pipeline file {file} cannot be read", notes=[error.strerror or str(error)])
    result = parse_config(text, str(file))
    return PipelineFile(result.config, result.places, file.resolve().parent)


def parse_config(text: str, file: str = "<pipeline>") -> PipelineFile:
    """Return the configuration in the YAML ``text``; ``file`` is its name in messages.

    Raises:
        TondoError: TND-C005 for invalid YAML, TND-C002 for an unknown key, TND-C001 for a wrong value, TND-X002 for
            a text beyond the limits. All wrong values are reported at once.
    """
    tree = parse_yaml(text, file)
    places = Places(text, tree)
    if not isinstance(tree.value, dict):
        span = tree.span
        fail(
            "TND-C001",
            "a pipeline file is a mapping",
            span=span,
            source=places.line(span),
            help="start with 'tondo: 1'",
        )
    return PipelineFile(_validate(tree.value, places), places)


def config_of(value: str | Path | Config | Mapping[str, object] | PipelineFile | None) -> PipelineFile:
    """Return the configuration that a Python caller gave: a path, a mapping as in a file, a model, or nothing.

    Raises:
        TondoError: as :func:`load_config` and :func:`parse_config`.
    """
    match value:
        case None:
            return PipelineFile(Config())
        case PipelineFile():
            return value
        case Config():
            return PipelineFile(value)
        case str() | Path():
            return load_config(value)
        case _:
            return PipelineFile(_validate(dict(value), None))


def _validate(value: Mapping[str, object], places: Places | None) -> Config:
    try:
        return Config.model_validate(value)
    except ValidationError as error:
        raise TondoError(*_diagnostics(error, places)) from None


def _diagnostics(error: ValidationError, places: Places | None) -> list[Diagnostic]:
    """Return one diagnostic per place."""
    found: dict[Location, Diagnostic] = {}
    for item in error.errors(include_url=False, include_input=False):
        location = tuple(part for part in item["loc"] if part != "[key]")
        if location not in found:
            found[location] = _one(item["type"], item["msg"], location, places)
    return list(found.values())


def _one(kind: str, text: str, location: Location, places: Places | None) -> Diagnostic:
    path = path_text(location)
    if kind == "extra_forbidden":
        known = sorted(_keys_at(Config, location[:-1]))
        name = str(location[-1])
        where = f" in '{path_text(location[:-1])}'" if len(location) > 1 else ""
        return _diagnostic(
            places,
            "TND-C002",
            f"unknown key '{name}'{where}",
            location,
            key=True,
            notes=(f"known keys: {', '.join(known)}",),
            help_=suggest(name, known),
        )
    if kind == "missing":
        return _diagnostic(places, "TND-C001", f"the key '{location[-1]}' is missing", location[:-1])
    text = text.removeprefix("Value error, ").removeprefix("Input ")
    return _diagnostic(places, "TND-C001", f"'{path}' {text[:1].lower()}{text[1:]}", location)


def _diagnostic(
    places: Places | None,
    code: str,
    message: str,
    location: Location,
    *,
    key: bool = False,
    notes: tuple[str, ...] = (),
    help_: str | None = None,
) -> Diagnostic:
    if places is None:
        return Diagnostic(code, message, Span("<config>"), None, notes, help_)
    span = places.of(location, key=key)
    return Diagnostic(code, message, span, places.line(span), notes, help_)


def path_text(location: Location) -> str:
    """Return ``passes[1].use`` for ``("passes", 1, "use")``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that the model at ``location`` below ``model`` knows."""
    for part in location:
        entry = model.model_fields.get(str(part))
        inner = None if entry is None else _model_in(entry.annotation)
        model = model if inner is None else inner
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found
    return None
