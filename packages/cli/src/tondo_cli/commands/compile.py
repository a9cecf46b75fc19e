"""``tondo compile``: a model becomes an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tondo_cli.options import Config, Debug, Json, Limits, Locked, Numerics, Ops, Plugins, Shapes, Target, Threads

app = typer.Typer()


@app.command()
def compile(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model; may stand in the pipeline file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="The artifact.")] = None,
    config: Config = None,
    target: Target = None,
    threads: Threads = None,
    numerics: Numerics = None,
    shape: Shapes = None,
    timings: Annotated[
        bool, typer.Option("--timings", help="Print where the time went: stages, passes, the slowest kernels.")
    ] = False,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="FILE.json", help="Write the times for chrome://tracing.")
    ] = None,
    dump: Annotated[
        Path | None, typer.Option("--dump", metavar="FOLDER", help="Write the module before and after each pass.")
    ] = None,
    ops: Ops = None,
    limit: Limits = None,
    placement: Annotated[
        bool, typer.Option("--placement", help="Print which functions libraries run, which not, and why.")
    ] = False,
    plugins: Plugins = "",
    locked: Locked = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compile a model into an artifact."""
    from tondo_cli.actions.compile import Wish, compile_model
    from tondo_cli.models import Choice
    from tondo_cli.output import Output

    del debug
    choice = Choice(config, target, threads, numerics, shape or (), plugins, locked, ops=ops or (), limits=limit or ())
    compile_model(model, choice, Wish(output, timings, trace, dump, placement), Output(json=json))
