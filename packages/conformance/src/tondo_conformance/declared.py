"""What a back end says it does not support: a TOML file, given by option or shipped beside the plugin's module.

::

    [[unsupported]]
    cases = "L2/*/float64/*"
    reason = "the accelerator has no float64 unit"

A case that is refused and matches is reported as declared; any other outcome stays what it is.
"""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import cast


@dataclass(frozen=True, slots=True)
class Declaration:
    """Cases by a pattern of shells, and why they are not supported."""

    cases: str
    reason: str

    def matches(self, name: str) -> bool:
        """Return whether it is about the case ``name``."""
        return fnmatch.fnmatchcase(name, self.cases)


def read_declarations(path: Path) -> tuple[Declaration, ...]:
    """Return the declarations in ``path``.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no such file, with what is wrong.
    """
    content: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    if set(content) - {"unsupported"}:
        msg = f"{path}: unknown key '{min(set(content) - {'unsupported'})}', expected [[unsupported]]"
        raise ValueError(msg)
    entries = content.get("unsupported", [])
    if not isinstance(entries, list):
        msg = f"{path}: 'unsupported' has to be a list: [[unsupported]]"
        raise ValueError(msg)  # noqa: TRY004  the content is wrong, not the program
    return tuple(_declaration(path, entry) for entry in cast("list[object]", entries))


def _declaration(path: Path, entry: object) -> Declaration:
    fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    cases, reason = fields.get("cases"), fields.get("reason")
    if set(fields) != {"cases", "reason"} or not isinstance(cases, str) or not isinstance(reason, str) or not reason:
        msg = f"{path}: an entry of 'unsupported' has 'cases' (a pattern) and 'reason' (a sentence)"
        raise ValueError(msg)
    return Declaration(cases, reason)
