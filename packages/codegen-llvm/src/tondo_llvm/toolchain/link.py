"""Link object files to a shared object with whatever linker the compiling machine has.

Calls between the objects are bound at link time, and only the symbols that the caller names are visible from outside,
so several libraries live in one process without seeing each other. All relocations are done when the library is
opened, after which the tables are read-only.

Tried in turn: ``cc``, ``clang``, ``gcc`` (only for the machine's own architecture), ``ld.lld``, the ``ziglang`` wheel,
``ld`` (own architecture). Nothing is installed and no linker is an answer, not an error: the caller may keep the
relocatable objects instead.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tondo_llvm.toolchain.machine import MachineSpec

_TIMEOUT_SECONDS = 120.0
_VERSIONS = "exported.map"
_ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}


class Relocatable(Protocol):
    """A relocatable object in memory."""

    @property
    def data(self) -> bytes:
        """The file's content."""
        ...


@dataclass(frozen=True, slots=True)
class LinkedLibrary:
    """A shared object at ``path``, made by ``linker``."""

    path: Path
    linker: str


@dataclass(frozen=True, slots=True)
class LinkRefusal:
    """Why there is no shared object: ``reason`` is a sentence, ``attempts`` are (linker, what it said)."""

    reason: str
    attempts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Linker:
    name: str
    command: tuple[str, ...]
    driver: bool  # a compiler driver, which takes linker options behind -Wl, and adds the C library


def link_shared(
    objects: Sequence[Relocatable], out_path: Path, machine: MachineSpec, exported: Sequence[str] | None = None
) -> LinkedLibrary | LinkRefusal:
    """Link ``objects`` to a shared object at ``out_path``, which appears whole or not at all.

    The result depends on the objects, their order and the linker only: no build identifier, no path of this machine.

    Args:
        objects: relocatable objects.
        out_path: the file to create or replace.
        machine: what the objects are for.
        exported: symbols that stay visible, ``*`` stands for anything; None leaves all visible.
    """
    if "linux" not in machine.triple:
        return LinkRefusal(f"linking for '{machine.triple}' is not supported, only for Linux")
    attempts: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="tondo-link-", dir=_folder(out_path)) as folder:
        names: list[str] = []
        for index, code in enumerate(objects):
            names.append(f"{index:05d}.o")
            Path(folder, names[-1]).write_bytes(code.data)
        if exported is not None:
            Path(folder, _VERSIONS).write_text(_versions(exported))
        for linker in _linkers(machine):
            problem = _run(linker, names, folder, hidden=exported is not None)
            if problem is None:
                Path(folder, "out.so").replace(out_path)
                return LinkedLibrary(out_path, linker.name)
            attempts.append((linker.name, problem))
    if attempts:
        return LinkRefusal("every linker on this machine failed", tuple(attempts))
    return LinkRefusal(f"no linker for {machine.architecture} found: install cc, ld.lld or the 'ziglang' package")


def _versions(exported: Sequence[str]) -> str:
    """A version script without version names: it decides about visibility alone."""
    return "".join(["{\n  global:\n", *(f"    {name};\n" for name in exported), "  local:\n    *;\n};\n"])


def _folder(out_path: Path) -> Path:
    return out_path.resolve().parent


def _linkers(machine: MachineSpec) -> Iterator[_Linker]:
    host = platform.machine().lower()
    native = _ALIASES.get(host, host) == machine.architecture and sys.platform.startswith("linux")
    if native:
        for name in ("cc", "clang", "gcc"):
            if found := shutil.which(name):
                yield _Linker(name, (found,), driver=True)
    for name in ("ld.lld", "ld"):
        if (found := shutil.which(name)) and (native or name == "ld.lld"):
            yield _Linker(name, (found,), driver=False)
    if importlib.util.find_spec("ziglang") is not None:
        target = f"{machine.architecture}-linux-{'musl' if 'musl' in machine.triple else 'gnu'}"
        yield _Linker("ziglang", (sys.executable, "-m", "ziglang", "cc", "-target", target), driver=True)


def _run(linker: _Linker, names: Sequence[str], folder: str, *, hidden: bool) -> str | None:
    """Run one linker inside ``folder``; return None on success, else what went wrong."""
    options = ["--build-id=none", "-z", "noexecstack", "-z", "relro", "-z", "now", "-Bsymbolic"]
    if hidden:
        options.append(f"--version-script={_VERSIONS}")
    if linker.driver:
        options = ["-Wl," + ",".join(options), *names, "-lm", "-lpthread"]
    else:
        options = [*options, *names]
    command = [*linker.command, "-shared", "-o", "out.so", *options]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0 and Path(folder, "out.so").is_file():
        return None
    return (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}")[-2000:]
