"""How a compilation tells what it does: warnings and progress, as calls on an object that the caller brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from tondo.diagnostics import Diagnostic


class Reporter(Protocol):
    """Receives what happens during a compilation. Methods may be called from several threads."""

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        """Receive a warning or a note; errors are raised instead."""
        ...

    def progress(self, step: str, done: int, total: int) -> None:
        """Receive that ``done`` of ``total`` parts of ``step`` are finished; ``total`` is 0 where it is unknown."""
        ...


class SilentReporter:
    """A reporter that drops everything."""

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        """Drop ``diagnostic``."""

    def progress(self, step: str, done: int, total: int) -> None:
        """Drop the progress."""


@dataclass(slots=True)
class CollectingReporter:
    """A reporter that keeps everything, for tests and for tools that print at the end."""

    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    steps: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        """Keep ``diagnostic``."""
        self.diagnostics.append(diagnostic)

    def progress(self, step: str, done: int, total: int) -> None:
        """Keep the progress."""
        self.steps.append((step, done, total))
