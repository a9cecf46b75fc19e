"""``tondo ffi``: the functions that models can call by name."""

from __future__ import annotations

from typing import Annotated

import typer

from tondo_cli.options import Debug, Json, Plugins

app = typer.Typer()

Load = Annotated[
    list[str] | None,
    typer.Option("--load", metavar="MODULE|FILE.py", help="A module or file that registers functions; repeatable."),
]


@app.command("list")
def list_functions(
    pattern: Annotated[str, typer.Argument(metavar="[PATTERN]", help="Names, such as 'my.*'.")] = "*",
    load: Load = None,
    chosen: Plugins = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List registered functions: their kind, where they are defined, who registered them."""
    from tondo_cli.actions.ffi import list_matching
    from tondo_cli.output import Output

    del debug
    list_matching(pattern, load or (), chosen, Output(json=json))


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A registered name, or 'scheme:name'.")],
    load: Load = None,
    chosen: Plugins = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what is known about one function."""
    from tondo_cli.actions.ffi import show_function
    from tondo_cli.output import Output

    del debug
    show_function(name, load or (), chosen, Output(json=json))
