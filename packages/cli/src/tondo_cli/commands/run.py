"""``tondo run``: one call of a model or an artifact, on inputs from files or made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tondo.driver import Tools
from tondo_cli.inputs import Array, fill_inputs, parse_shapes, read_inputs
from tondo_cli.models import Choice
from tondo_cli.options import Config, Debug, Inputs, Json, Model, Numerics, Plugins, Seed, Shapes, Target, Threads
from tondo_cli.output import Output
from tondo_cli.text import table
from tondo_runtime import Profile

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
    plugins: Plugins = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a model or an artifact once, on inputs from files or made up from a seed."""
    del debug
    out = Output(json=json)
    given = read_inputs(input or ())
    with out.working() as reporter:
        choice = Choice(config, target, threads, numerics, shape or (), plugins)
        runnable = choice.open(model, Tools(reporter=reporter))
    inputs = fill_inputs(runnable.inputs, given, parse_shapes(shape or ()), seed)
    times: Profile | None = None
    if profile or trace is not None:
        runnable.run(inputs)  # the first call sets up memory and threads
        with runnable.profile() as times:
            outputs = runnable.run(inputs)
    else:
        outputs = runnable.run(inputs)
    if output is not None:
        np.savez(output, allow_pickle=False, **outputs)
    if times is not None and trace is not None:
        times.to_chrome_trace(trace)
    value: dict[str, object] = {"outputs": {name: _facts(array) for name, array in outputs.items()}}
    if times is not None:
        value["kernels"] = [{"name": row.name, "count": row.count, "total_ns": row.total_ns} for row in times.table()]
    out.result(value, _lines(outputs, times if profile else None))


def _facts(array: Array) -> dict[str, object]:
    facts: dict[str, object] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if array.size:
        numbers = array.astype(np.float64)
        facts |= {"min": float(numbers.min()), "max": float(numbers.max()), "mean": float(numbers.mean())}
    return facts


def _lines(outputs: Mapping[str, Array], times: Profile | None) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for name, array in outputs.items():
        facts = _facts(array)
        numbers = [f"{facts[key]:.6g}" if key in facts else "" for key in ("min", "max", "mean")]
        rows.append((name, str(array.dtype), "x".join(map(str, array.shape)) or "scalar", *numbers))
    yield from table(rows, ("output", "dtype", "shape", "min", "max", "mean"))
    if times is not None:
        yield ""
        yield from times.format().splitlines()
