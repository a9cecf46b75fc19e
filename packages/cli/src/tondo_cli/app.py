"""The table of commands, and the application in which only the command that runs is imported.

The first word decides: its module is imported and takes part with all its options; every other command is a name
with a line of help. Commands of other packages (hook ``register_commands``) are looked for when the first word is not
in the table; the list of commands leaves them out, because it has to be quick (``tondo plugin list`` names them).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, cast

import typer

import tondo

COMMANDS: Mapping[str, tuple[str, str]] = {
    "compile": ("tondo_cli.commands.compile:app", "Compile a model into an artifact."),
    "run": ("tondo_cli.commands.run:app", "Run a model or an artifact once."),
    "bench": ("tondo_cli.commands.bench:app", "Measure the latency of a model or an artifact."),
    "check": ("tondo_cli.commands.check:app", "List a model's operators and how each will run."),
    "inspect": ("tondo_cli.commands.inspect:app", "Print a model after a pass, or an artifact's contents."),
    "pipeline": ("tondo_cli.commands.pipeline:app", "Show, check and describe pipeline files."),
    "plugin": ("tondo_cli.commands.plugin:app", "List, describe, check, lock and create plugins."),
    "ffi": ("tondo_cli.commands.ffi:app", "List the functions that models can call by name."),
    "targets": ("tondo_cli.commands.targets:app", "List targets and the facts about this machine."),
    "doctor": ("tondo_cli.commands.doctor:app", "Check the installation."),
}
"""Name, place of the typer application and line of help, in the order of the list."""


def build(words: Sequence[str]) -> typer.Typer:
    """Return the application for the command line ``words`` (without the program's name)."""
    chosen = next((word for word in words if not word.startswith("-")), None)
    complete = "_TONDO_COMPLETE" in os.environ  # the shell asks for completions: the words come another way
    commands = dict(COMMANDS)
    if complete or (chosen is not None and chosen not in COMMANDS):
        commands |= _plugin_commands()
    application = typer.Typer(
        name="tondo",
        help="A deep-learning compiler that is open at every level.",
        epilog="Plugins may bring further commands: see 'tondo plugin list'.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    application.callback()(_root)
    for name, (place, help_line) in commands.items():
        if name == chosen or complete:
            _add(application, name, _load(place), help_line)
        else:
            application.command(name, help=help_line)(_placeholder)
    return application


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tondo {tondo.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    del version


def _placeholder() -> None:
    """Stand for a command that does not run."""


def _load(place: str) -> typer.Typer:
    module, _, attribute = place.partition(":")
    found: object = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return found
    return cast("Callable[[], typer.Typer]", found)()


def _add(application: typer.Typer, name: str, command: typer.Typer, help_line: str) -> None:
    """Add ``command``: as a command if it has just one, as a group if it has several."""
    only = command.registered_commands[0].callback if len(command.registered_commands) == 1 else None
    if only is not None and not command.registered_groups and command.registered_callback is None:
        application.command(name, help=only.__doc__ or help_line)(only)
        return
    application.add_typer(command, name=name, help=help_line, no_args_is_help=True)


def _plugin_commands() -> dict[str, tuple[str, str]]:
    """Commands of installed packages; a plugin cannot replace a command of the table."""
    from tondo.plugin import collect

    commands = collect(os.environ.get("TONDO_PLUGINS"), strict=False).commands
    return {name: (found.factory, found.help) for name, found in commands.items() if name not in COMMANDS}
