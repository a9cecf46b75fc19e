"""The confined reader of files that a model names: external tensor data, and nothing else.

A model names a file by a relative path. The file must be a regular file inside the model's folder, reached without
any symbolic link and without ``..``, with a single hard link, so that a downloaded model cannot make Tondo read (or
embed in an artifact) anything but what was downloaded with it. The bytes are memory-mapped, not copied.
"""

from __future__ import annotations

import mmap
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from tondo.diagnostics import fail

_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_FLAGS: Final = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_DIRECTORY: Final = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_MAX_PATH: Final = 4096


@dataclass(slots=True)
class ModelFiles:
    """Files beside a model.

    Attributes:
        folder: the model's folder; None if the model came without one, then every file is refused.
    """

    folder: Path | None
    _maps: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray], init=False)

    def read(self, location: str, offset: int, length: int | None) -> np.ndarray:
        """Return ``length`` bytes (None: the rest) at ``offset`` of the file ``location``, read-only and not copied.

        Raises:
            TondoError: TND-X001 for a path or a kind of file that is refused, TND-M002 if the range is not in the file.
        """
        data = self._map(location)
        end = len(data) if length is None else offset + length
        if offset < 0 or end < offset or end > len(data):
            fail(
                "TND-M002",
                f"external data '{_shown(location)}' has {len(data)} bytes, the model refers to {offset}..{end}",
                help="the file is incomplete or belongs to another model; copy it again",
            )
        return data[offset:end]

    def _map(self, location: str) -> np.ndarray:
        known = self._maps.get(location)
        if known is None:
            known = _mapped(self._open(location), location)
            self._maps[location] = known
        return known

    def _open(self, location: str) -> int:
        if self.folder is None:
            fail(
                "TND-X001",
                f"the model refers to the file '{_shown(location)}' but has no folder",
                help="load the model by its path, or say where its files are (LoadOptions.base)",
            )
        *parents, leaf = _parts(location)
        try:
            current = os.open(self.folder, _DIRECTORY & ~_NOFOLLOW)
        except OSError as error:
            _refuse(location, f"the model's folder cannot be opened: {error.strerror}")
        try:
            for parent in parents:
                below = os.open(parent, _DIRECTORY, dir_fd=current)
                os.close(current)
                current = below
            return os.open(leaf, _FLAGS, dir_fd=current)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                fail(
                    "TND-U006",
                    f"external data '{_shown(location)}' is missing",
                    help="copy it next to the model: a model with external data is several files",
                )
            _refuse(location, f"{error.strerror}: a link, or not a file of the model's folder")
        finally:
            os.close(current)


def _parts(location: str) -> list[str]:
    if not location or len(location) > _MAX_PATH or "\0" in location:
        _refuse(location, "not a usable path")
    if location.startswith(("/", "\\")) or (len(location) > 1 and location[1] == ":"):
        _refuse(location, "the path is absolute")
    parts = [part for part in location.replace("\\", "/").split("/") if part not in {"", "."}]
    if not parts or ".." in parts:
        _refuse(location, "the path leaves the folder")
    return parts


def _mapped(handle: int, location: str) -> np.ndarray:
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            _refuse(location, "not a regular file")
        if status.st_nlink != 1:
            _refuse(location, "the file has further hard links")
        if status.st_size == 0:
            return np.empty(0, np.uint8)
        mapped = mmap.mmap(handle, status.st_size, access=mmap.ACCESS_READ)
    finally:
        os.close(handle)
    return np.frombuffer(mapped, np.uint8)


def _refuse(location: str, reason: str) -> NoReturn:
    fail(
        "TND-X001",
        f"external data '{_shown(location)}' is refused: {reason}",
        notes=["external data must be a regular file inside the model's folder, without links"],
        help="put a copy of the file next to the model and name it by a relative path",
    )


def _shown(text: str) -> str:
    shown = ascii(text)[1:-1]
    return shown if len(shown) <= 80 else f"{shown[:80]}..."
