"""``tondo plugin``: what is installed and what it brings; new packages, their checks, and lock files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tondo_cli.options import Debug, Json, Locked, Plugins

app = typer.Typer()

Id = Annotated[str, typer.Argument(metavar="ID", help="The plugin's id, as 'tondo plugin list' prints it.")]


@app.command("list")
def list_plugins(chosen: Plugins = "", json: Json = False, debug: Debug = False) -> None:
    """List plugins, what they bring, and why one is not loaded."""
    from tondo_cli.actions.plugin_list import list_all
    from tondo_cli.output import Output

    del debug
    list_all(chosen, Output(json=json))


@app.command()
def info(plugin: Id, chosen: Plugins = "", json: Json = False, debug: Debug = False) -> None:
    """Show everything that a plugin brings, with a line about each component."""
    from tondo_cli.actions.plugin_list import describe
    from tondo_cli.output import Output

    del debug
    describe(plugin, chosen, Output(json=json))


@app.command()
def check(
    plugin: Annotated[str | None, typer.Argument(metavar="[ID]", help="The plugin's id; all plugins without.")] = None,
    locked: Locked = None,
    chosen: Plugins = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check what plugins promise: quick import, sound components, documentation; fail if one does not hold."""
    from tondo_cli.actions.plugin_check import check_plugins
    from tondo_cli.output import Output

    del debug
    if not check_plugins(plugin, chosen, locked, Output(json=json)):
        raise typer.Exit(1)


@app.command()
def lock(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The lock file.")] = Path("tondo.lock"),
    chosen: Plugins = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write down which plugins are installed, in which versions."""
    from tondo_cli.actions.plugin_lock import write_lock
    from tondo_cli.output import Output

    del debug
    write_lock(output, chosen, Output(json=json))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the package, such as 'acme-npu'.")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="frontend, ops, passes, target, intrinsics, codegen, library or tuner.",
        ),
    ],
    path: Annotated[
        Path | None, typer.Option("--path", metavar="FOLDER", help="Where the package's folder is made; here without.")
    ] = None,
    licence: Annotated[
        str, typer.Option("--license", metavar="SPDX", help="Licence of the package, as an SPDX expression.")
    ] = "Apache-2.0",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write an installable plugin package with a working example, tests and a page of documentation."""
    from tondo_cli.actions.plugin_new import new_package
    from tondo_cli.output import Output

    del debug
    place, written = new_package(name, kind, path or Path(), licence)
    lines = [
        f"wrote {place}",
        *(f"  {file}" for file in written),
        f"install and test it: pip install -e '{place}[test]' && pytest {place}",
    ]
    Output(json=json).result({"path": str(place), "files": written}, lines)
