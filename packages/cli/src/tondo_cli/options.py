"""Options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print a traceback if Tondo itself fails.")]
Plugins = Annotated[
    str,
    typer.Option(
        "--plugins",
        envvar="TONDO_PLUGINS",
        metavar="LIST",
        help="Which plugins to load: 'none', 'onnx,llvm' only these, '-x86' all but these.",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model such as net.onnx, or an artifact net.tondo.")]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="A pipeline file; options override it.")
]
Target = Annotated[
    str | None, typer.Option("--target", metavar="NAME", help="What to compile for, such as 'native' or 'interp'.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="How many threads one call may use.")]
Numerics = Annotated[
    str | None,
    typer.Option("--numerics", metavar="LEVEL", help="Precision of float32 products: highest, high, medium."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="NAME=FILE", help="An input from a .npy or .npz file; repeatable."),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", metavar="NAME=1x3x224x224", help="Shape of an input; repeatable."),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=N",
        help="Allow a trusted model more than usual, such as nodes=2_000_000; repeatable.",
    ),
]
Ops = Annotated[
    list[str] | None,
    typer.Option(
        "--ops",
        metavar="FILE[:NAME]",
        help="Operators of your own, from a Python file, which is run; repeatable.",
    ),
]
Locked = Annotated[
    Path | None,
    typer.Option(
        "--locked", envvar="TONDO_LOCK", metavar="FILE", help="Refuse plugins that a lock file does not name."
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the inputs that are made up.")]
