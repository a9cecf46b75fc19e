"""The environment variables that the compiler reads. Nothing else in the core looks at the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tondo.diagnostics import fail

DEFAULT_CACHE_BYTES: Final = 4 << 30

_SIZE: Final = re.compile(r"(\d{1,15})([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_OFF: Final = frozenset({"off", "0", "no", "false"})


@dataclass(frozen=True, slots=True)
class Environment:
    """Settings of this process.

    Attributes:
        plugins: ``TONDO_PLUGINS``: which plugins to load, see :func:`tondo.plugin.collect`.
        lock: ``TONDO_LOCK``: a lock file that the plugins have to agree with, or None.
        cache_folder: ``TONDO_CACHE_DIR``, else the user's cache folder; None if ``TONDO_CACHE`` is ``off``.
        cache_bytes: ``TONDO_CACHE_SIZE``, such as ``512M``: the cache is kept below this size.
    """

    plugins: str
    cache_folder: Path | None
    cache_bytes: int = DEFAULT_CACHE_BYTES
    lock: Path | None = None


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Return the settings in ``variables``, by default those of the process.

    Raises:
        TondoError: TND-U005 for a size that is not one.
    """
    values = os.environ if variables is None else variables
    folder: Path | None = None
    if values.get("TONDO_CACHE", "").lower() not in _OFF:
        folder = _cache_folder(values)
    lock = Path(values["TONDO_LOCK"]) if values.get("TONDO_LOCK") else None
    return Environment(values.get("TONDO_PLUGINS", ""), folder, _size(values.get("TONDO_CACHE_SIZE", "")), lock)


def _cache_folder(values: Mapping[str, str]) -> Path | None:
    if values.get("TONDO_CACHE_DIR"):
        return Path(values["TONDO_CACHE_DIR"]).expanduser()
    if values.get("XDG_CACHE_HOME"):
        return Path(values["XDG_CACHE_HOME"]) / "tondo"
    home = values.get("HOME") or values.get("USERPROFILE")
    return Path(home) / ".cache" / "tondo" if home else None


def _size(text: str) -> int:
    if not text:
        return DEFAULT_CACHE_BYTES
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        fail("TND-U005", f"TONDO_CACHE_SIZE is {text!r}, not a size", help="write for example '512M' or '8G'")
    return int(match[1]) * _UNITS[match[2].upper()]
