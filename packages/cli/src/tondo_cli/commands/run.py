"""``tondo run``: one call of a model or an artifact, on inputs from files or made up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tondo_cli.options import (
    Config,
    Debug,
    Inputs,
    Json,
    Limits,
    Locked,
    Model,
    Numerics,
    Ops,
    Plugins,
    Seed,
    Shapes,
    Target,
    Threads,
)

app = typer.Typer()


@app.command()
def run(
    model: Model,
    input: Inputs = None,
    shape: Shapes = None,
    seed: Seed = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.npz", help="Where to write the outputs.")
    ] = None,
    config: Config = None,
    target: Target = None,
    threads: Threads = None,
    numerics: Numerics = None,
    profile: Annotated[bool, typer.Option("--profile", help="Print the time of each kernel.")] = False,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="FILE.json", help="Write a trace for chrome://tracing.")
    ] = None,
    ops: Ops = None,
    limit: Limits = None,
    plugins: Plugins = "",
    locked: Locked = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a model or an artifact once, on inputs from files or made up from a seed."""
    from tondo_cli.actions.run import Call, run_model
    from tondo_cli.models import Choice
    from tondo_cli.output import Output

    del debug
    choice = Choice(config, target, threads, numerics, shape or (), plugins, locked, ops=ops or (), limits=limit or ())
    run_model(model, choice, Call(input or (), seed, output, profile, trace), Output(json=json))
