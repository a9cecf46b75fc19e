"""Places in a source text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a source text; lines and columns count from 1, the end column is exclusive.

    ``file`` is a path or a name in angle brackets (``<script>``, ``<model>``). A place inside a binary model
    has ``line == 0`` and names the node in the diagnostic's notes.
    """

    file: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        """Return ``file:line:column``, shortened to what is known."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
