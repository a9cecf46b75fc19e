"""Pipeline files with every default, checked, and described for editors."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tondo.driver import choose_steps, json_schema
from tondo.driver.pipeline import codegen_options, pass_specs
from tondo.driver.plan import target_spec
from tondo.target import Target
from tondo_cli.models import Choice
from tondo_cli.output import Output


@dataclass(frozen=True, slots=True)
class Resolved:
    """A pipeline whose names all exist: the file with every default, and the machine that it is for."""

    content: Mapping[str, object]
    machine: Target
    passes: int
    codegen: str | None


def show_pipeline(choice: Choice, out: Output) -> None:
    """Print the pipeline of ``choice`` with every default filled in."""
    found = resolve(choice)
    out.result(found.content, _yaml(found.content).splitlines())


def check_pipeline(file: Path, choice: Choice, out: Output) -> None:
    """Check ``file``, the pipeline of ``choice``."""
    found = resolve(choice)
    machine = f"{found.machine.kind} {found.machine.cpu}"
    value = {"file": str(file), "passes": found.passes, "codegen": found.codegen, "target": found.machine.describe()}
    by = f", code by {found.codegen}" if found.codegen is not None else ""
    out.result(value, [f"{file}: {found.passes} passes for {machine}{by}"])


def print_schema(out: Output) -> None:
    """Print the JSON Schema of pipeline files."""
    content = json_schema()
    out.result(content, json.dumps(content, indent=2).splitlines())


def resolve(choice: Choice) -> Resolved:
    """Return the pipeline that ``choice`` describes, with every name looked up.

    Raises:
        TondoError: whatever is wrong with the file, all of it at once where possible.
    """
    file = choice.file()
    steps = choose_steps(file, choice.target, choice.threads, choice.collected())
    spec = target_spec(file.config.target, choice.target, choice.threads)
    fields = dict(spec) if isinstance(spec, Mapping) else steps.target.describe()
    content: dict[str, object] = file.config.model_dump(mode="json")  # in the order of the format
    content["model"] = file.config.model.model_dump(mode="json", exclude_none=True)
    content["target"] = {key: value for key, value in fields.items() if value or key == "kind"}
    content["passes"] = [_short(entry) for entry in pass_specs(steps.passes)]
    name = None if steps.codegen is None else steps.codegen.name
    content["codegen"] = {} if name is None else {"use": name, **codegen_options(file)}
    return Resolved(content, steps.target, len(steps.passes), name)


def _short(entry: Mapping[str, object]) -> object:
    return entry["use"] if len(entry) == 1 else entry


def _yaml(content: Mapping[str, object]) -> str:
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 120
    stream = io.StringIO()
    writer.dump(dict(content), stream)  # pyright: ignore[reportUnknownMemberType]  ruamel.yaml leaves parameters open
    return stream.getvalue()
