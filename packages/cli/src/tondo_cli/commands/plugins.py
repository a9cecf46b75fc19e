"""``tondo plugins``: what is installed, what it brings, and why something is not loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from tondo_cli.options import Debug, Json, Plugins
from tondo_cli.output import Output
from tondo_cli.text import table

if TYPE_CHECKING:
    from tondo.plugin import PluginReport

app = typer.Typer()


@app.command()
def plugins(chosen: Plugins = "", json: Json = False, debug: Debug = False) -> None:
    """List plugins, what they bring, and why one is not loaded."""
    from tondo.plugin import collect

    del debug
    extensions = collect(chosen, strict=False)
    value = {
        "plugins": [
            {
                "id": report.id,
                "distribution": report.distribution,
                "version": report.version,
                "status": report.status,
                "provides": {hook: list(names) for hook, names in report.provides},
                "diagnostics": [f"{found.code}: {found.message}" for found in report.diagnostics],
            }
            for report in extensions.plugins
        ],
        "clashes": [f"{found.code}: {found.message}" for found in extensions.clashes],
    }
    lines = list(_lines(extensions.plugins))
    lines += [f"command of a plugin: tondo {command.name}  {command.help}" for command in extensions.commands.values()]
    lines += [found.render() for found in extensions.clashes]
    Output(json=json).result(value, lines)


def _lines(reports: Sequence[PluginReport]) -> Iterator[str]:
    rows = [(report.id, report.distribution, report.version, report.status, _brings(report)) for report in reports]
    yield from table(rows, ("id", "package", "version", "status", "brings"))
    for report in reports:
        for diagnostic in report.diagnostics:
            yield from ("", diagnostic.render())


def _brings(report: PluginReport) -> str:
    counts = ((hook.removeprefix("register_").replace("_", " "), len(names)) for hook, names in report.provides)
    return ", ".join(f"{count} {kind}" for kind, count in counts if count)
