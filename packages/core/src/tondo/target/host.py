"""What can be learned about this machine without a plugin: architecture, triple, caches, usable threads."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Final

from tondo.target.target import Caches
from tondo_runtime.host import default_threads
from tondo_runtime.host import host_features as runtime_features

DEFAULT_CACHES: Final = Caches(32 << 10, 512 << 10, 8 << 20)
"""Sizes assumed where the machine does not tell: those of a small desktop CPU."""

_ARCHITECTURES: Final = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}
_SYSTEMS: Final = {"linux": "unknown-linux-gnu", "darwin": "apple-darwin", "win32": "pc-windows-msvc"}
_CACHE_ROOT: Final = Path("/sys/devices/system/cpu/cpu0/cache")


def host_architecture() -> str:
    """Return the architecture as LLVM names it: ``x86_64``, ``aarch64``, ``riscv64`` ..."""
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)


def host_triple() -> str:
    """Return the LLVM triple of this machine."""
    arch = host_architecture()
    if sys.platform == "darwin" and arch == "aarch64":
        arch = "arm64"
    return f"{arch}-{_SYSTEMS.get(sys.platform, 'unknown-unknown')}"


def host_caches(root: Path = _CACHE_ROOT) -> Caches:
    """Return the data cache sizes that Linux reports below ``root``; assumed sizes where it reports none."""
    sizes: dict[int, int] = {}
    for index in sorted(root.glob("index*")):
        try:
            kind = (index / "type").read_text().strip()
            level = int((index / "level").read_text())
            size = _bytes((index / "size").read_text().strip())
        except (OSError, ValueError):
            continue
        if kind in {"Data", "Unified"}:
            sizes[level] = size
    if 1 not in sizes:
        return DEFAULT_CACHES
    return Caches(sizes[1], sizes.get(2, 0), sizes.get(3, 0))


def host_threads() -> int:
    """Return how many threads can run at the same time: the affinity mask, cut by the control group's quota."""
    return default_threads()


def host_features() -> frozenset[str]:
    """Return the instruction-set features of this machine by LLVM's names; empty if it does not tell.

    The system's own spellings are in the set too, so intersect it with the names that you know.
    """
    return runtime_features() or frozenset()


def _bytes(text: str) -> int:
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(text[:-1]) * units[text[-1]] if text[-1:] in units else int(text)
