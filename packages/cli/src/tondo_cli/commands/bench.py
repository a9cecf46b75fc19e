"""``tondo bench``: the latency of a model or an artifact, alone or alternating with other engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tondo.diagnostics import fail
from tondo.driver import Tools
from tondo_cli.engines import open_engine
from tondo_cli.inputs import Array, fill_inputs, parse_shapes, read_inputs
from tondo_cli.measure import Latency, alternate
from tondo_cli.models import Choice, is_artifact
from tondo_cli.options import Config, Debug, Inputs, Json, Model, Numerics, Plugins, Seed, Shapes, Target, Threads
from tondo_cli.output import Output
from tondo_cli.text import table

app = typer.Typer()

_SELF = "tondo"


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
        typer.Option("--against", metavar="ENGINE", help="Alternate with another engine: onnxruntime."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="The model for the other engine, if not MODEL.")
    ] = None,
    config: Config = None,
    target: Target = None,
    threads: Threads = None,
    numerics: Numerics = None,
    plugins: Plugins = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure the latency of a model or an artifact; wall time of one call, threads warm, inputs in memory."""
    del debug
    out = Output(json=json)
    others = against or []
    if others and reference is None and is_artifact(model):
        fail("TND-U005", "an artifact runs in Tondo only", help="name the model for the other engine with --reference")
    given = read_inputs(input or ())
    with out.working() as reporter:
        choice = Choice(config, target, threads, numerics, shape or (), plugins)
        runnable = choice.open(model, Tools(reporter=reporter))
    inputs = fill_inputs(runnable.inputs, given, parse_shapes(shape or ()), seed)
    calls: dict[str, Callable[[], Mapping[str, Array]]] = {_SELF: lambda: runnable.run(inputs)}
    for name in others:
        calls[name] = open_engine(name, reference or model, inputs, threads)
    differences = {name: _difference(calls[_SELF](), calls[name]()) for name in others}
    found = alternate(calls, runs=runs, warmup=warmup)
    ratios = {name: found[name].median / found[_SELF].median for name in others}
    value: dict[str, object] = {
        "latency": {name: latency.as_json() for name, latency in found.items()},
        "ratio": ratios,
        "difference": differences,
    }
    out.result(value, _lines(found, ratios, differences))


def _difference(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    """Largest difference of any output, as a share of that output's largest magnitude."""
    worst = 0.0
    for name, array in ours.items():
        expected = theirs[name].astype(np.float64)
        if expected.size:
            scale = float(np.max(np.abs(expected))) or 1.0
            worst = max(worst, float(np.max(np.abs(array.astype(np.float64) - expected))) / scale)
    return worst


def _lines(
    found: Mapping[str, Latency], ratios: Mapping[str, float], differences: Mapping[str, float]
) -> Iterator[str]:
    rows = [(name, f"{at.min:.3f}", f"{at.median:.3f}", f"{at.p90:.3f}", str(at.runs)) for name, at in found.items()]
    yield from table(rows, ("engine", "min ms", "median ms", "p90 ms", "runs"))
    for name, ratio in ratios.items():
        yield f"{name} / {_SELF}: {ratio:.2f} (median; above 1: {_SELF} is faster)"
        yield f"largest difference: {differences[name]:.1e} of the largest value"
