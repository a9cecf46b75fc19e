"""The command ``tondo``: compile, run, measure and look into models from a terminal.

:mod:`tondo_cli.main` is the entry point, :mod:`tondo_cli.app` the table of commands, ``tondo_cli.commands`` has one
file per command. A command is imported when it runs, so ``tondo --help`` stays quick.
"""

from __future__ import annotations

__all__: list[str] = []
