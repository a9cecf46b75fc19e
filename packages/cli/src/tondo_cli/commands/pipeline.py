"""``tondo pipeline``: pipeline files shown with every default, checked, and described for editors."""

from __future__ import annotations

import io
import json as json_module
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from tondo.driver import choose_steps, json_schema
from tondo.driver.pipeline import codegen_options, pass_specs
from tondo.driver.plan import target_spec
from tondo.target import Target
from tondo_cli import options
from tondo_cli.models import Choice
from tondo_cli.output import Output

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A pipeline whose names all exist: the file with every default, and the machine that it is for."""

    content: Mapping[str, object]
    machine: Target
    passes: int
    codegen: str | None


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A pipeline file; the default pipeline if left out.")
    ] = None,
    target: options.Target = None,
    threads: options.Threads = None,
    plugins: options.Plugins = "",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Print a pipeline with every default filled in, as a file to start from."""
    del debug
    found = resolve(Choice(file, target, threads, plugins=plugins))
    Output(json=json).result(found.content, _yaml(found.content).splitlines())


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pipeline file.")],
    target: options.Target = None,
    plugins: options.Plugins = "",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check a pipeline file: keys, values, and that every pass, option and component exists."""
    del debug
    found = resolve(Choice(file, target, plugins=plugins))
    machine = f"{found.machine.kind} {found.machine.cpu}"
    value = {"file": str(file), "passes": found.passes, "codegen": found.codegen, "target": found.machine.describe()}
    by = f", code by {found.codegen}" if found.codegen is not None else ""
    Output(json=json).result(value, [f"{file}: {found.passes} passes for {machine}{by}"])


@app.command()
def schema(json: options.Json = False, debug: options.Debug = False) -> None:
    """Print the JSON Schema of pipeline files, for editors."""
    del debug
    content = json_schema()
    Output(json=json).result(content, json_module.dumps(content, indent=2).splitlines())


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
