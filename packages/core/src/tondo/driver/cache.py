"""Compiled artifacts by key, so that compiling the same model again takes no time.

The key is made of everything that the artifact depends on. The folder is private to the user, because code in it is
executed. A full or read-only disk is a warning, never a failure. Entries are written in one step and dropped in the
order of their last use once the folder is larger than allowed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from tondo.diagnostics import Diagnostic
from tondo.passes import Reporter
from tondo_runtime import RuntimeFailure

_ABANDONED: Final = 3600.0
"""Seconds after which a temporary file of another process counts as left behind."""


def cache_key(parts: Mapping[str, object]) -> str:
    """Return the key of plain values: a SHA-256 in hexadecimal."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ArtifactCache:
    """A folder of artifacts, at most ``max_bytes`` large after each addition."""

    folder: Path
    max_bytes: int
    reporter: Reporter

    def find(self, key: str) -> Path | None:
        """Return the artifact stored under ``key`` and note its use, or None."""
        path = self._path(key)
        try:
            if not self._is_private(self.folder):
                return None
            os.utime(path)
        except OSError:
            return None
        return path

    def drop(self, key: str, reason: str) -> None:
        """Remove an entry that turned out to be damaged, with a warning."""
        self._warn("an artifact in the cache is not usable and is made again", reason)
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            self._warn("the damaged artifact cannot be removed", str(error))

    def store(self, key: str, write: Callable[[Path], object]) -> Path | None:
        """Let ``write(path)`` create the entry ``key`` in one step, then drop what was not used for longest.

        Returns:
            The file of the entry; None, after a warning, if it could not be made.
        """
        path = self._path(key)
        try:
            self._make(path.parent)
            if not self._is_private(self.folder):
                self._warn("the cache is not used", f"others may write to {self.folder}")
                return None
            write(path)
            self._prune(keep=path)
        except (OSError, RuntimeFailure) as error:
            self._warn("the compiled model is not kept in the cache", str(error).split("\n")[0])
            return None
        return path

    def note(self, key: str, values: Mapping[str, object]) -> None:
        """Keep plain values under ``key``: what took time to find out."""
        path = self._note_path(key)
        try:
            self._make(path.parent)
            if self._is_private(self.folder):
                temporary = path.with_suffix(f".{os.getpid()}.tmp")
                temporary.write_text(json.dumps(values, sort_keys=True))
                temporary.replace(path)
        except OSError as error:
            self._warn("a measurement is not kept in the cache", str(error))

    def noted(self, key: str) -> Mapping[str, object] | None:
        """Return the values under ``key``, or None."""
        path = self._note_path(key)
        try:
            if not self._is_private(self.folder):
                return None
            values = cast("object", json.loads(path.read_text()))
            os.utime(path)
        except (OSError, ValueError):
            return None
        return cast("dict[str, object]", values) if isinstance(values, dict) else None

    def objects(self) -> Path | None:
        """Return the folder in which code generators keep object code, or None if it cannot be used."""
        folder = self.folder / "objects"
        try:
            self._make(folder)
            return folder if self._is_private(self.folder) and os.access(folder, os.W_OK) else None
        except OSError:
            return None

    def _path(self, key: str) -> Path:
        return self.folder / "artifacts" / f"{key}.tondo"

    def _note_path(self, key: str) -> Path:
        return self.folder / "notes" / f"{key}.json"

    def _make(self, folder: Path) -> None:
        # each by itself: the mode counts for the last folder of a path only
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    def _is_private(self, folder: Path) -> bool:
        """Whether nobody else can put code into the folder."""
        if not hasattr(os, "geteuid"):
            return True
        info = folder.stat()
        return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

    def _prune(self, keep: Path) -> None:
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.rglob("*"):
            try:
                info = path.stat()
            except OSError:
                continue  # another process removed it meanwhile
            if stat.S_ISREG(info.st_mode):
                files.append((info.st_mtime, info.st_size, path))
        total = sum(size for _, size, _ in files)
        now = time.time()
        for used, size, path in sorted(files):
            abandoned = path.suffix == ".tmp" and now - used > _ABANDONED
            if (total <= self.max_bytes and not abandoned) or path == keep:
                continue
            path.unlink(missing_ok=True)
            total -= size

    def _warn(self, message: str, note: str) -> None:
        self.reporter.diagnostic(
            Diagnostic(
                "TND-U008",
                message,
                notes=(note,),
                help="set TONDO_CACHE_DIR to a folder of yours, or TONDO_CACHE=off",
                severity="warning",
            )
        )
