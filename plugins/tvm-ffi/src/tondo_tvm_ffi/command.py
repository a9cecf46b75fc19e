"""``tondo export-tvm-ffi``: a model becomes a shared library that tvm-ffi loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def export(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model; may stand in the pipeline file.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.so", help="The library; MODEL.so by default.")
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the function.")] = "main",
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="A pipeline file.")] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="NAME", help="What to compile for.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads of one call at first.")] = None,
    numerics: Annotated[
        str | None, typer.Option("--numerics", metavar="LEVEL", help="Precision of float32 products.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print a traceback if Tondo itself fails.")] = False,
) -> None:
    """Compile a model into a shared library that tvm-ffi loads."""
    from tondo_runtime.dims import format_shape
    from tondo_tvm_ffi.aot.export import export_library

    del debug
    path = output or Path((model or Path("model")).stem + ".so")
    manifest = export_library(model, path, name=name, target=target, threads=threads, numerics=numerics, config=config)
    tensors = {"inputs": manifest.inputs, "outputs": manifest.outputs}
    if as_json:
        value = {
            kind: [{"name": spec.name, "dtype": spec.dtype, "shape": format_shape(spec.shape)} for spec in specs]
            for kind, specs in tensors.items()
        }
        typer.echo(json.dumps({"library": str(path), "function": name, **value}, indent=2))
        return
    typer.echo(f"{path}: function {name}, {path.stat().st_size} bytes")
    for kind, specs in tensors.items():
        for spec in specs:
            typer.echo(f"{kind.removesuffix('s')}: {spec.name} {spec.dtype} {format_shape(spec.shape)}")
