"""What a command writes: lines for people or one JSON document for programs, and progress while it works.

Results go to standard output, everything else (progress, warnings) to standard error, so results can be piped.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tondo_cli.text import colour_allowed, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tondo.diagnostics import Diagnostic
    from tondo.passes import Reporter


class Output:
    """Where one command writes to.

    Attributes:
        json: whether the result is one JSON document.
    """

    def __init__(self, *, json: bool = False) -> None:
        """Write lines, or a JSON document if ``json``."""
        self.json = json

    def result(self, value: Mapping[str, object], lines: Iterable[str]) -> None:
        """Write the result of the command: ``value`` as JSON, or ``lines``."""
        if self.json:
            sys.stdout.write(json.dumps(value, indent=2) + "\n")
            return
        for line in lines:
            sys.stdout.write(printable(line) + "\n")

    @contextmanager
    def working(self) -> Generator[Reporter]:
        """Show what a compilation reports while the block runs: a bar on a terminal, plain lines elsewhere."""
        if self.json or not sys.stderr.isatty():
            yield LineReporter()
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True, no_color=not colour_allowed(sys.stderr))
        with Progress(*columns, console=console, transient=True) as progress:
            yield BarReporter(progress)


class LineReporter:
    """A reporter that writes warnings to standard error and stays silent about progress."""

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        """Write ``diagnostic``."""
        sys.stderr.write(printable(diagnostic.render()) + "\n")

    def progress(self, step: str, done: int, total: int) -> None:
        """Drop the progress: a log has no use for it."""


class BarReporter:
    """A reporter that shows one bar per stage; safe for calls from several threads.

    A step is called ``stage`` or ``stage: what is done now``; the bar keeps its place and tells what is done.
    """

    def __init__(self, progress: Progress) -> None:
        """Show bars on ``progress``."""
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        """Write ``diagnostic`` above the bars."""
        self._progress.console.print(printable(diagnostic.render()), markup=False, highlight=False)

    def progress(self, step: str, done: int, total: int) -> None:
        """Move the bar of ``step``."""
        from rich.markup import escape

        stage, _, _ = step.partition(":")
        text = escape(printable(step))
        with self._lock:
            if stage not in self._tasks:
                self._tasks[stage] = self._progress.add_task(text)
            self._progress.update(self._tasks[stage], description=text, completed=done, total=total or None)
