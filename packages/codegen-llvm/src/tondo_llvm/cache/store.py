"""A folder of object files named by content, bounded in size, safe for several processes at once.

Entry: magic, SHA-256 of (key, data), data. Entries appear by an atomic rename. An entry that is damaged, or that lies
under another key's name, is a miss and is removed. The least recently used entries go first; a hit renews an entry's
time. Every problem of the file system turns the cache quieter, never a compilation into an error: one warning, and no
further writing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Final

_MAGIC: Final = b"TONDOOBJ1\n"
_DIGEST_BYTES: Final = 32
_SUFFIX: Final = ".obj"
_NEW: Final = ".new-"
_LEFTOVER_SECONDS: Final = 3600.0
_DEFAULT_LIMIT: Final = 1 << 30
_KEEP_FRACTION: Final = 0.9  # what is left after making room, so that not every write has to


class CacheWarning(RuntimeWarning):
    """The cache cannot do its work; compilation goes on without it."""


class ObjectCache:
    """Object code by key.

    Attributes:
        folder: where the entries lie; made on the first write.
        limit_bytes: size that the entries together may reach.
    """

    def __init__(self, folder: Path, limit_bytes: int = _DEFAULT_LIMIT) -> None:
        """Use ``folder``, which need not exist."""
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._size: int | None = None  # unknown until the first write has looked
        self._broken = False

    def get(self, key: str) -> bytes | None:
        """Return the data stored under ``key``, or None."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._give_up("read", error)
            return None
        data = _unpack(key, content)
        if data is None:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` under ``key``; data larger than the whole cache is not stored."""
        content = _pack(key, data)
        if self._broken or len(content) > self.limit_bytes:
            return
        path = self._path(key)
        try:
            with self._lock:
                self._make_room(len(content))
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _write(path, content)
        except OSError as error:
            self._give_up("write", error)

    def size(self) -> int:
        """Bytes of all entries now on disk."""
        return sum(size for _, size, _ in self._entries())

    def clear(self) -> None:
        """Remove every entry."""
        with self._lock:
            for _, _, path in self._entries():
                with contextlib.suppress(OSError):
                    path.unlink()
            self._size = None

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}{_SUFFIX}"

    def _entries(self) -> list[tuple[int, int, Path]]:
        """(time of last use, size, path) of every entry; entries that vanish meanwhile are left out."""
        found: list[tuple[int, int, Path]] = []
        for path in self.folder.glob(f"??/*{_SUFFIX}"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        return found

    def _make_room(self, needed: int) -> None:
        """Count what this process adds; look at the folder first and whenever the limit seems reached."""
        if self._size is not None and self._size + needed <= self.limit_bytes:
            self._size += needed
            return
        self._remove_leftovers()
        entries = sorted(self._entries(), key=lambda entry: (entry[0], str(entry[2])))
        total = sum(size for _, size, _ in entries)
        if total + needed > self.limit_bytes:
            goal = max(0, int(self.limit_bytes * _KEEP_FRACTION) - needed)
            for _, size, path in entries:
                if total <= goal:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= size
        self._size = total + needed

    def _remove_leftovers(self) -> None:
        """Remove what killed processes left behind."""
        old = time.time() - _LEFTOVER_SECONDS
        for path in self.folder.glob(f"??/{_NEW}*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < old:
                    path.unlink()

    def _give_up(self, action: str, error: OSError) -> None:
        with self._lock:
            first, self._broken = not self._broken, True
        if first:
            warnings.warn(
                f"object cache off: cannot {action} in '{self.folder}': {error.strerror or error}",
                CacheWarning,
                stacklevel=3,
            )


def _pack(key: str, data: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(key.encode() + data).digest() + data


def _unpack(key: str, content: bytes) -> bytes | None:
    start = len(_MAGIC) + _DIGEST_BYTES
    if len(content) < start or not content.startswith(_MAGIC):
        return None
    data = content[start:]
    return data if hashlib.sha256(key.encode() + data).digest() == content[len(_MAGIC) : start] else None


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=_NEW, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
