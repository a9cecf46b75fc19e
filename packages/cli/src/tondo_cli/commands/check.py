"""``tondo check``: every operator of a model and how it will run, before anything is compiled."""

from __future__ import annotations

import typer

from tondo_cli.options import Config, Debug, Json, Limits, Locked, Model, Ops, Plugins, Shapes, Target

app = typer.Typer()


@app.command()
def check(
    model: Model,
    config: Config = None,
    target: Target = None,
    shape: Shapes = None,
    ops: Ops = None,
    limit: Limits = None,
    plugins: Plugins = "",
    locked: Locked = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the operators of a model and how each will run; fail if one is not supported."""
    from tondo_cli.actions.check import check_model
    from tondo_cli.models import Choice
    from tondo_cli.output import Output

    del debug
    choice = Choice(config, target, None, None, shape or (), plugins, locked, ops=ops or (), limits=limit or ())
    if not check_model(model, choice, Output(json=json)):
        raise typer.Exit(1)
