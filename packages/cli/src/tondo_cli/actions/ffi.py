"""What is known about the functions that models can call by name."""

from __future__ import annotations

import importlib
import runpy
from collections.abc import Iterator, Sequence
from pathlib import Path

import tondo.ffi
from tondo.diagnostics import fail
from tondo.ffi import FunctionInfo
from tondo.plugin import collect
from tondo_cli.output import Output
from tondo_cli.text import table


def list_matching(pattern: str, load: Sequence[str], plugins: str, out: Output) -> None:
    """Print the functions whose names match ``pattern``, after the plugins and what ``load`` names are imported.

    Raises:
        TondoError: TND-U006 or TND-U005 for a module or a file that cannot be loaded.
    """
    _load(load, plugins)
    found = tondo.ffi.list(pattern)
    out.result({"functions": [info.to_json() for info in found]}, _lines(found))


def show_function(name: str, load: Sequence[str], plugins: str, out: Output) -> None:
    """Print what is known about the function ``name``.

    Raises:
        RuntimeFailure: TND-R002 if there is none.
        TondoError: as :func:`list_matching`.
    """
    _load(load, plugins)
    described = tondo.ffi.describe(name).to_json()
    out.result(described, (f"{key}: {value}" for key, value in described.items() if value))


def _lines(found: Sequence[FunctionInfo]) -> Iterator[str]:
    rows = [(info.name, info.kind, info.distribution or info.module, info.summary, info.defined) for info in found]
    yield from table(rows, ("name", "kind", "package", "summary", "defined"))


def _load(names: Sequence[str], plugins: str) -> None:
    collect(plugins, strict=False)  # plugins register their functions when they are imported
    for name in names:
        if name.endswith(".py"):
            _run(Path(name))
        else:
            _import(name)


def _run(path: Path) -> None:
    if not path.is_file():
        fail("TND-U006", f"there is no file {path}")
    try:
        runpy.run_path(str(path))
    except Exception as error:  # noqa: BLE001  whatever a user's file raises is told
        fail("TND-U005", f"{path} cannot be run: {type(error).__name__}: {error}")


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001  whatever a user's module raises is told
        fail("TND-U005", f"the module '{name}' cannot be imported: {type(error).__name__}: {error}")
