"""The command ``tondo``: compile, run, measure and look into models from a terminal.

:mod:`tondo_cli.main` is the entry point, :mod:`tondo_cli.app` the table of commands, ``tondo_cli.commands`` has one
file per command with its options, ``tondo_cli.actions`` does the work. A command is imported when it is named and an
action when it runs, so asking for help stays quick.
"""

from __future__ import annotations

__all__: list[str] = []
