"""``tondo sample-plugin MODEL``: search for schedules that are faster than the default ones."""

from __future__ import annotations

import json as texts
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

app = typer.Typer()


@app.command()
def search_schedules(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model.")],
    inputs: Annotated[Path, typer.Argument(metavar="FILE", help="A .npz file with the inputs by name.")],
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many versions to try.")] = 8,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")] = False,
) -> None:
    """Compile MODEL with random schedules, and print the seed of the fastest."""
    from sample_plugin.search import search

    arrays = {name: np.asarray(array) for name, array in np.load(inputs, allow_pickle=False).items()}

    def tell(done: int, total: int) -> None:
        typer.echo(f"compiled {done} of {total}", err=True)

    found = search(model, arrays, range(1, trials + 1), tell=tell)
    if json:
        seconds = {str(seed): value for seed, value in found.seconds.items()}
        typer.echo(texts.dumps({"best": found.best, "seconds": seconds}))
        return
    for seed, seconds in sorted(found.seconds.items(), key=lambda entry: entry[1]):
        typer.echo(f"{seconds * 1e3:9.3f} ms  {'priors' if seed == 0 else f'seed {seed}'}")
