"""``tondo inspect``: a module as text after any pass, or what an artifact says about itself."""

from __future__ import annotations

from typing import Annotated

import typer

from tondo_cli.options import (
    Config,
    Debug,
    Json,
    Limits,
    Locked,
    Model,
    Numerics,
    Ops,
    Plugins,
    Shapes,
    Target,
    Threads,
)

app = typer.Typer()


@app.command()
def inspect(
    model: Model,
    after: Annotated[
        str,
        typer.Option(
            "--after",
            metavar="STAGE",
            help="'import', a pass such as graph.fuse (graph.fold_constants#2 is its second run), or 'code'.",
        ),
    ] = "import",
    function: Annotated[
        str | None, typer.Option("--function", metavar="NAME", help="Only this function of the module.")
    ] = None,
    config: Config = None,
    target: Target = None,
    threads: Threads = None,
    numerics: Numerics = None,
    shape: Shapes = None,
    ops: Ops = None,
    limit: Limits = None,
    plugins: Plugins = "",
    locked: Locked = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Print a model's module after a stage or a pass, or what an artifact holds."""
    from tondo_cli.actions.inspect import inspect_model
    from tondo_cli.models import Choice
    from tondo_cli.output import Output

    del debug
    choice = Choice(config, target, threads, numerics, shape or (), plugins, locked, ops=ops or (), limits=limit or ())
    inspect_model(model, choice, after, function, Output(json=json))
