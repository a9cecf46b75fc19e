"""Text for terminals: colour only where it is welcome, no control codes from models or files, aligned tables."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from typing import TextIO


def colour_allowed(stream: TextIO) -> bool:
    """Return whether ``stream`` is a terminal and the user has not set ``NO_COLOR`` (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """Return ``text`` with control characters, which a model's names may carry, shown as escapes; newlines stay."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}:
        return character
    return character.encode("unicode_escape").decode("ascii")


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> list[str]:
    """Return ``rows`` as lines with aligned columns; the last column is not padded."""
    everything = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    if not everything:
        return []
    widths = [max(len(row[column]) for row in everything) for column in range(len(everything[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything
    ]


def size(count: int) -> str:
    """Return ``count`` bytes in the unit that leaves one to four digits: ``512 B``, ``1.5 MiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
