"""The one exception that this package raises for a mistake, a damaged file or a failed call.

It carries the same parts as the compiler's diagnostics (stable code, message, notes, next step) and renders to
the same text, so that the command line shows both alike. The runtime never imports the compiler, hence the twin.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

_EXIT_STATUS = {"U": 2, "P": 5, "X": 6, "A": 7, "R": 9}

CODES: dict[str, str] = {
    "TND-U001": "unknown input name",
    "TND-U002": "wrong input shape",
    "TND-U003": "wrong input dtype",
    "TND-U004": "missing input",
    "TND-U005": "invalid argument",
    "TND-U006": "file not found",
    "TND-P003": "incompatible plugin",
    "TND-X002": "size limit exceeded",
    "TND-X003": "size arithmetic overflow",
    "TND-A001": "damaged artifact",
    "TND-A002": "artifact for another CPU",
    "TND-A003": "artifact of a newer format",
    "TND-A004": "artifact needs a component",
    "TND-R001": "foreign function failed",
    "TND-R002": "unknown foreign function",
    "TND-R003": "execution failed",
}
"""Codes that this package can raise, with their titles."""


class RuntimeFailure(Exception):  # noqa: N818 - the name of the contract between the packages
    """A refused request or a failed call; survives pickling.

    Attributes:
        code: a key of :data:`CODES`.
        message: what is wrong, one sentence, no trailing full stop.
        notes: why, and further places.
        help: the next step for the user.
    """

    def __init__(self, code: str, message: str, notes: tuple[str, ...] = (), help: str | None = None) -> None:
        """Carry the parts of the message; ``code`` has to be a key of :data:`CODES`."""
        if code not in CODES:
            raise KeyError(code)
        super().__init__(code, message, notes, help)
        self.code = code
        self.message = message
        self.notes = notes
        self.help = help

    @property
    def exit_status(self) -> int:
        """Process exit status: 2 usage, 5 plugin, 6 safety, 7 artifact, 9 execution."""
        return _EXIT_STATUS[self.code[4]]

    def render(self) -> str:
        """Return the message as plain text of several lines."""
        lines = [f"error[{self.code}]: {self.message}"]
        lines.extend(f"  note: {note}" for note in self.notes)
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the rendered message."""
        return self.render()


def fail(code: str, message: str, *, notes: Iterable[str] = (), help: str | None = None) -> NoReturn:
    """Raise a :class:`RuntimeFailure`."""
    raise RuntimeFailure(code, message, tuple(notes), help)


def suggest(name: str, candidates: Iterable[str]) -> str | None:
    """Return ``did you mean 'x'?`` for the closest candidate, or None."""
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None
