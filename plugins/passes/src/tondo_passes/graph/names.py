"""Fresh names for functions, values and constants."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable


class NameSupply:
    """Hands out names that are not taken yet."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Avoid every name of ``taken``."""
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def __call__(self, wish: str) -> str:
        """Return ``wish`` as an identifier, with a number if it is taken."""
        base = re.sub(r"\W", "_", wish, flags=re.ASCII) or "value"
        if base[0].isdigit():
            base = f"_{base}"
        if keyword.iskeyword(base):
            base = f"{base}_"
        if base not in self._taken:
            self._taken.add(base)
            return base
        number = self._next.get(base, 1)
        while f"{base}_{number}" in self._taken:
            number += 1
        self._next[base] = number + 1
        name = f"{base}_{number}"
        self._taken.add(name)
        return name
