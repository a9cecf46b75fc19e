"""``tondo compile``: a model becomes an artifact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tondo.driver import Tools
from tondo.passes import Dump, Timing
from tondo.script import script
from tondo_cli.models import Choice
from tondo_cli.options import Config, Debug, Json, Numerics, Plugins, Shapes, Target, Threads
from tondo_cli.output import Output
from tondo_cli.text import size

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
    timing: Annotated[bool, typer.Option("--timing", help="Print where the time went.")] = False,
    dump: Annotated[
        Path | None, typer.Option("--dump", metavar="FOLDER", help="Write the module before and after each pass.")
    ] = None,
    plugins: Plugins = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compile a model into an artifact."""
    del debug
    out = Output(json=json)
    clock = Timing("compile")
    choice = Choice(config, target, threads, numerics, shape or (), plugins)
    with out.working() as reporter:
        instruments = [Dump.to_folder(dump, script)] if dump is not None else []
        compiled = choice.compile(model, Tools(reporter=reporter, timing=clock, instruments=instruments))
        path = output or Path(f"{compiled.name}.tondo")
        manifest = compiled.save(path)
    value = {
        "artifact": str(path),
        "bytes": path.stat().st_size,
        "seconds": clock.root.seconds,
        "from_cache": compiled.from_cache,
        "target": manifest.to_json()["target"],
        "inputs": [spec.to_json() for spec in manifest.inputs],
        "outputs": [spec.to_json() for spec in manifest.outputs],
        "kernels": list(manifest.kernels),
        "timing": [{"name": span.name, "depth": depth, "seconds": span.seconds} for depth, span in clock.root.walk()],
    }
    source = "taken from the cache" if compiled.from_cache else f"compiled in {clock.root.seconds:.1f} s"
    machine = f"{manifest.target.kind} {manifest.target.cpu}".strip()
    summary = f"{path} ({size(path.stat().st_size)}), {source} for {machine}, {len(manifest.kernels)} kernels"
    out.result(value, _lines(summary, clock if timing else None))


def _lines(summary: str, clock: Timing | None) -> Iterator[str]:
    yield summary
    if clock is not None:
        yield from clock.table().splitlines()
