"""``tondo pipeline``: pipeline files shown with every default, checked, and described for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tondo_cli import options

app = typer.Typer()


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
    from tondo_cli.actions.pipeline import show_pipeline
    from tondo_cli.models import Choice
    from tondo_cli.output import Output

    del debug
    show_pipeline(Choice(file, target, threads, plugins=plugins), Output(json=json))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pipeline file.")],
    target: options.Target = None,
    plugins: options.Plugins = "",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check a pipeline file: keys, values, and that every pass, option and component exists."""
    from tondo_cli.actions.pipeline import check_pipeline
    from tondo_cli.models import Choice
    from tondo_cli.output import Output

    del debug
    check_pipeline(file, Choice(file, target, plugins=plugins), Output(json=json))


@app.command()
def schema(json: options.Json = False, debug: options.Debug = False) -> None:
    """Print the JSON Schema of pipeline files, for editors."""
    from tondo_cli.actions.pipeline import print_schema
    from tondo_cli.output import Output

    del debug
    print_schema(Output(json=json))
