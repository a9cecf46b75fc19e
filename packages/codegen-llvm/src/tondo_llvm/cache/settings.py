"""Where the user's cache lies.

``TONDO_CACHE=off`` switches it off. ``TONDO_CACHE_DIR`` names its folder, else it is the ``tondo`` folder of the
system's place for caches (``XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches``, ``%LOCALAPPDATA%``).
"""

from __future__ import annotations

import os
import stat
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tondo_llvm.cache.store import CacheWarning, ObjectCache

if TYPE_CHECKING:
    from collections.abc import Mapping

_OFF = frozenset({"off", "0", "no", "false"})


def default_cache(environment: Mapping[str, str] | None = None) -> ObjectCache | None:
    """Return the user's cache, or None if it is switched off, has no place or would not be safe.

    Object code is executed, so a folder that every user of the machine may write to is refused with a warning.
    """
    settings = os.environ if environment is None else environment
    if settings.get("TONDO_CACHE", "").strip().lower() in _OFF:
        return None
    folder = _folder(settings)
    if folder is None:
        return None
    if _writable_for_all(folder):
        warnings.warn(f"object cache off: every user may write to '{folder}'", CacheWarning, stacklevel=2)
        return None
    return ObjectCache(folder / "objects")


def _folder(settings: Mapping[str, str]) -> Path | None:
    if own := settings.get("TONDO_CACHE_DIR", ""):
        return Path(own).expanduser()
    if sys.platform == "win32":
        local = settings.get("LOCALAPPDATA", "")
        return Path(local) / "tondo" if local else None
    if sys.platform != "darwin" and Path(settings.get("XDG_CACHE_HOME", "")).is_absolute():
        return Path(settings["XDG_CACHE_HOME"]) / "tondo"
    try:
        home = Path(settings["HOME"]) if settings.get("HOME") else Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "tondo"


def _writable_for_all(folder: Path) -> bool:
    if os.name != "posix":
        return False
    for path in (folder, folder / "objects"):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IWOTH:
            return True
    return False
