"""``tondo bench``: the latency of a model or an artifact, alone or alternating with other engines."""

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
def bench(
    model: Model,
    input: Inputs = None,
    shape: Shapes = None,
    seed: Seed = 0,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How many measured calls.")] = 50,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="How many calls before.")] = 5,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="ENGINES",
            help="Take turns with other engines: onnxruntime, openvino, or several with commas; repeatable.",
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="The model for the other engines, if not MODEL.")
    ] = None,
    config: Config = None,
    target: Target = None,
    threads: Threads = None,
    numerics: Numerics = None,
    ops: Ops = None,
    limit: Limits = None,
    plugins: Plugins = "",
    locked: Locked = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure the latency of a model or an artifact; wall time of one call, threads warm, inputs in memory."""
    from tondo_cli.actions.bench import Race, bench_model
    from tondo_cli.models import Choice
    from tondo_cli.output import Output

    del debug
    choice = Choice(config, target, threads, numerics, shape or (), plugins, locked, ops=ops or (), limits=limit or ())
    race = Race(runs, warmup, against or (), reference, input or (), seed)
    bench_model(model, choice, race, Output(json=json))
