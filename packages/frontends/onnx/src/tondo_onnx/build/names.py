"""Names of the graph function: valid identifiers, each used once."""

from __future__ import annotations

import keyword
import re
from typing import Final

_BAD: Final = re.compile(r"[^0-9A-Za-z_]")
_MAX: Final = 80


def identifier(text: str, fallback: str = "v") -> str:
    """Return ``text`` with everything replaced that an identifier cannot hold."""
    clean = _BAD.sub("_", text).strip("_") or fallback
    clean = clean[:_MAX]
    if clean[0].isdigit():
        clean = f"{fallback}_{clean}"
    return f"{clean}_" if keyword.iskeyword(clean) or keyword.issoftkeyword(clean) else clean


class Names:
    """Hands out names that were not handed out before."""

    def __init__(self) -> None:
        """Start with none taken."""
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def claim(self, text: str, fallback: str = "v") -> str:
        """Return an unused identifier like ``text`` and take it."""
        base = identifier(text, fallback)
        name = base
        while name in self._taken:
            number = self._next.get(base, 1)
            self._next[base] = number + 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name
