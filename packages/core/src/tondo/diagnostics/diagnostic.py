"""The message, the exception that carries it, and the words both share."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from tondo.diagnostics.codes import CODES
from tondo.diagnostics.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message for the user.

    Attributes:
        code: a key of :data:`tondo.diagnostics.CODES`.
        message: what is wrong, one sentence, no trailing full stop.
        span: where, if known.
        source: the text of the offending line(s), for the caret display.
        notes: why, and further places.
        help: the next step for the user.
    """

    code: str
    message: str
    span: Span | None = None
    source: str | None = None
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: Severity = "error"

    def __post_init__(self) -> None:
        """Refuse a code that the table does not list."""
        if self.code not in CODES:
            raise KeyError(self.code)

    def render(self) -> str:
        """Return the message as plain text of several lines, with a caret below the place if the source is known."""
        lines = [f"{self.severity}[{self.code}]: {self.message}"]
        if self.span is not None:
            lines.append(f"  --> {self.span}")
            if self.source is not None and self.span.line:
                lines.extend(_caret(self.source, self.span))
        lines.extend(f"  note: {note}" for note in self.notes)
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


def _caret(source: str, span: Span) -> list[str]:
    number = str(span.line)
    pad = " " * len(number)
    width = max(1, span.end_column - span.column) if span.end_line in {0, span.line} else 1
    marker = " " * max(0, span.column - 1) + "^" * width
    return [f" {pad} |", f" {number} | {source}", f" {pad} | {marker}"]


class TondoError(Exception):
    """A user's mistake or a refused request; carries at least one diagnostic and survives pickling."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        """Carry ``diagnostics``; the first one decides the code and the exit status."""
        if not diagnostics:
            msg = "a TondoError needs a diagnostic"
            raise ValueError(msg)
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    @property
    def code(self) -> str:
        """Code of the first diagnostic."""
        return self.diagnostics[0].code

    @property
    def exit_status(self) -> int:
        """Process exit status, see :mod:`tondo.diagnostics.codes`."""
        return CODES[self.code].exit_status

    def __str__(self) -> str:
        """Return all diagnostics as text."""
        return "\n".join(diagnostic.render() for diagnostic in self.diagnostics)


def fail(
    code: str,
    message: str,
    *,
    span: Span | None = None,
    source: str | None = None,
    notes: Iterable[str] = (),
    help: str | None = None,
) -> NoReturn:
    """Raise a :class:`TondoError` of one diagnostic."""
    raise TondoError(Diagnostic(code, message, span, source, tuple(notes), help))


def suggest(name: str, candidates: Iterable[str]) -> str | None:
    """Return ``did you mean 'x'?`` for the closest candidate, or None."""
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None
