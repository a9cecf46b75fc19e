"""From a checked configuration to pass objects: names and options meet what plugins brought.

Every unknown name (TND-C003, TND-C004), unknown option (TND-C002) and wrong value (TND-C001) of a file is reported
at once, each with its line and column.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Final, cast

from pydantic import TypeAdapter, ValidationError

from tondo.diagnostics import Diagnostic, TondoError, fail, suggest
from tondo.driver.config import PassConfig
from tondo.driver.config_file import Location, PipelineFile
from tondo.passes import Pass
from tondo.plugin import Codegen, Extensions, Option
from tondo.target import Target

Options = Mapping[str, object]

DEFAULT: Final = "default"
"""Stands in a list of passes for those of the default pipeline of the target's kind."""


def build_passes(file: PipelineFile, extensions: Extensions, target: Target) -> tuple[Pass, ...]:
    """Return the passes that ``file`` names, or those of the default pipeline of the target's kind.

    Raises:
        TondoError: as above.
    """
    entries = file.config.passes
    if entries is None:
        return _default(file, extensions, target)
    passes: list[Pass] = []
    problems: list[Diagnostic] = []
    for index, entry in enumerate(entries):
        if entry.use == DEFAULT and not _extra(entry):
            passes.extend(_default(file, extensions, target))
            continue
        made = _build(file, ("passes", index), entry.use, _extra(entry), extensions)
        if isinstance(made, list):
            problems.extend(made)
        else:
            passes.append(made)
    if problems:
        raise TondoError(*problems)
    return tuple(passes)


def pass_specs(passes: tuple[Pass, ...]) -> list[dict[str, object]]:
    """Return passes as they stand in a file, with every option written out."""
    return [{"use": entry.name, **_options(entry)} for entry in passes]


def choose_codegen(file: PipelineFile, extensions: Extensions, target: Target) -> Codegen:
    """Return the code generator that ``file`` names, or the only one that supports ``target``.

    Raises:
        TondoError: TND-C004 for an unknown name, TND-B005 if none, or more than one unnamed, supports the target.
    """
    name = file.config.codegen.use
    if name is not None:
        found = extensions.codegens.get(name)
        if found is None:
            known = sorted(extensions.codegens)
            notes = (f"known code generators: {', '.join(known) or 'none'}",)
            message = f"unknown code generator '{name}'"
            raise TondoError(
                file.diagnostic(
                    "TND-C004",
                    message,
                    ("codegen", "use"),
                    notes=notes,
                    help_=suggest(name, known) or "install the package that brings it",
                )
            )
        if not found.supports(target):
            message = f"the code generator '{name}' does not support {target.kind} {target.triple}"
            raise TondoError(file.diagnostic("TND-B005", message, ("codegen", "use")))
        return found
    able = [codegen for codegen in extensions.codegens.values() if codegen.supports(target)]
    if len(able) == 1:
        return able[0]
    names = ", ".join(sorted(codegen.name for codegen in able))
    if able:
        return fail(
            "TND-B005",
            f"several code generators support the target: {names}",
            help="choose one with codegen: {use: NAME}",
        )
    return fail(
        "TND-B005",
        f"no code generator supports {target.kind} {target.triple}",
        help="install tondo-llvm, or run with the target 'interp'",
    )


def codegen_options(file: PipelineFile) -> dict[str, Option]:
    """Return the options that ``file`` gives the code generator."""
    return cast("dict[str, Option]", dict(file.config.codegen.model_extra or {}))


def _default(file: PipelineFile, extensions: Extensions, target: Target) -> tuple[Pass, ...]:
    pipeline = extensions.pipelines.get(target.kind)
    if pipeline is None:
        known = ", ".join(sorted(extensions.pipelines)) or "none"
        return fail(
            "TND-C004",
            f"there is no default pipeline for the target kind '{target.kind}'",
            notes=[f"registered pipelines: {known}"],
            help="install tondo-passes, or list the passes yourself",
        )
    passes: list[Pass] = []
    for spec in pipeline.passes:
        made = _build(
            PipelineFile(file.config), (f"pipeline '{pipeline.name}'",), spec.use, dict(spec.options), extensions
        )
        if isinstance(made, list):
            raise TondoError(*made)
        passes.append(made)
    return tuple(passes)


def _build(
    file: PipelineFile, place: Location, name: str, options: Options, extensions: Extensions
) -> Pass | list[Diagnostic]:
    """Return the pass, or what is wrong with it."""
    kind = extensions.passes.get(name)
    if kind is None:
        known = sorted(extensions.passes)
        help_ = suggest(name, known) or "'tondo plugin list' shows what is installed"
        return [file.diagnostic("TND-C003", f"unknown pass '{name}'", (*place, "use"), help_=help_)]
    types = _field_types(kind)
    values: dict[str, object] = {}
    problems: list[Diagnostic] = []
    for option, value in options.items():
        if option not in types:
            problems.append(_unknown_option(file, (*place, option), name, option, types))
            continue
        try:
            adapter = TypeAdapter(cast("type[object]", types[option]))
            values[option] = adapter.validate_json(json.dumps(value), strict=True)
        except (ValidationError, TypeError) as error:
            problems.append(file.diagnostic("TND-C001", f"{name}: '{option}' {_reason(error)}", (*place, option)))
    if problems:
        return problems
    try:
        return kind(**values)
    except TondoError as error:
        return [file.diagnostic(error.code, f"{name}: {error.diagnostics[0].message}", place)]
    except ValueError as error:
        return [file.diagnostic("TND-C001", f"{name}: {error}", place)]


def _unknown_option(
    file: PipelineFile, place: Location, name: str, option: str, known: Mapping[str, object]
) -> Diagnostic:
    note = f"options of '{name}': {', '.join(known) or 'none'}"
    message = f"the pass '{name}' has no option '{option}'"
    return file.diagnostic("TND-C002", message, place, key=True, notes=(note,), help_=suggest(option, known))


def _reason(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return "is not a plain value"
    first = error.errors(include_url=False, include_input=False)[0]
    where = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
    text = first["msg"].removeprefix("Input ")
    return f"{where} {text[:1].lower()}{text[1:]}".strip()


def _extra(entry: PassConfig) -> Options:
    return dict(entry.model_extra or {})


def _options(entry: Pass) -> dict[str, object]:
    return {name: _plain(getattr(entry, name)) for name in _field_types(type(entry))}


def _plain(value: object) -> object:
    """Return an option's value as JSON knows it."""
    return json.loads(json.dumps(value, default=_collection))


def _collection(value: object) -> list[object]:
    if isinstance(value, set | frozenset):
        return sorted(cast("set[object] | frozenset[object]", value), key=repr)
    msg = f"a pass option holds a {type(value).__name__}"
    raise TypeError(msg)


def _field_types(kind: type[Pass]) -> dict[str, object]:
    """Return the resolved types of the fields of a pass class, by name."""
    fields = dataclasses.fields(cast("typing.Any", kind))
    return {entry.name: _resolve(kind, entry.name, entry.type) for entry in fields if entry.init}


def _resolve(kind: type[Pass], name: str, annotation: object) -> object:
    if not isinstance(annotation, str):
        return annotation
    for owner in _owners(kind, name):
        scope = vars(sys.modules[owner.__module__])
        holder = type(owner.__name__, (), {"__annotations__": {name: annotation}})
        try:
            return typing.get_type_hints(holder, globalns=scope)[name]
        except NameError as error:
            fail(
                "TND-P004",
                f"the type of the option '{name}' of the pass '{kind.name}' cannot be resolved",
                notes=[str(error)],
                help="import it outside of 'if TYPE_CHECKING'",
            )
    return object


def _owners(kind: type, name: str) -> Iterator[type]:
    return (owner for owner in kind.__mro__ if name in vars(owner).get("__annotations__", {}))
