"""What cannot be imported: collected over the whole model, reported at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NoReturn

from tondo.diagnostics import Span, fail

_SHOWN: Final = 3


class Unsupported(Exception):  # noqa: N818  caught by the importer, never seen by a user
    """A converter cannot express a use of its operator; the text says why."""


class MissingOperator(Unsupported):
    """The operator library lacks an operator."""

    def __init__(self, name: str) -> None:
        """Say that operator ``name`` is missing."""
        super().__init__(f"no installed plugin provides the operator '{name}'")


@dataclass(slots=True)
class Problems:
    """Unsupported uses by operator and reason, with the nodes."""

    _found: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])
    _order: list[str] = field(default_factory=list[str])

    def add(self, operator: str, reason: str, node: str) -> None:
        """Remember that ``node`` cannot be imported."""
        self._found.setdefault((operator, reason), []).append(node)
        self._order.append(reason)

    def reasons(self, start: int) -> list[str]:
        """Return the reasons of the nodes that were added after the first ``start`` ones."""
        return self._order[start:]

    def __len__(self) -> int:
        """Return how many nodes cannot be imported."""
        return sum(len(nodes) for nodes in self._found.values())

    def refuse(self, place: str) -> NoReturn:
        """Raise TND-M003 with everything that was found, the most frequent first."""
        entries = sorted(self._found.items(), key=lambda entry: (-len(entry[1]), entry[0]))
        total = len(self)
        fail(
            "TND-M003",
            f"{total} node{'s' if total > 1 else ''} cannot be imported",
            span=Span(place),
            notes=[_line(operator, reason, nodes) for (operator, reason), nodes in entries],
            help="export the model without these operators, or install a plugin that supports them",
        )


def _line(operator: str, reason: str, nodes: list[str]) -> str:
    shown = ", ".join(f"'{node}'" for node in nodes[:_SHOWN])
    more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
    return f"{operator}: {reason} ({len(nodes)}x: {shown}{more})"
