"""Lock files: exactly these plugins, in these versions.

``tondo plugin lock`` writes one; a compilation that is told of it refuses to run with others. A lock file is JSON, for
people and programs to compare::

    {
        "tondo_lock": 1,
        "core": "0.1.0",
        "plugins": [{"id": "x86", "distribution": "tondo-x86", "version": "0.1.0", "digest": "sha256:..."}],
    }

The digest is that of the list of files which the installer recorded, with their own digests; it is missing for
packages that run from their sources.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

from tondo.diagnostics import TondoError, fail
from tondo.plugin.extensions import Extensions
from tondo.plugin.info import printable
from tondo.plugin.selection import BUILTIN_ID
from tondo.support.version import __version__

LOCK_FORMAT: Final = 1
_LARGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class LockedPlugin:
    """One plugin as it was when the lock was written; ``digest`` is None for a package that runs from sources."""

    id: str
    distribution: str
    version: str
    digest: str | None = None

    def describe(self) -> str:
        """Return the plugin for a message."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class Lock:
    """What a compilation may use: the version of the core, and the plugins sorted by id."""

    core: str
    plugins: tuple[LockedPlugin, ...]

    def text(self) -> str:
        """Return the content of the lock file."""
        value = {"tondo_lock": LOCK_FORMAT, "core": self.core, "plugins": [asdict(entry) for entry in self.plugins]}
        return json.dumps(value, indent=2) + "\n"


def lock_of(extensions: Extensions) -> Lock:
    """Return the lock of the plugins that ``extensions`` were collected from.

    Raises:
        TondoError: with the diagnostics of a plugin that is installed and cannot be loaded.
    """
    broken = [report for report in extensions.plugins if report.status in {"failed", "incompatible"}]
    if broken:
        raise TondoError(*(diagnostic for report in broken for diagnostic in report.diagnostics))
    loaded = (report for report in extensions.plugins if report.status == "loaded" and report.id != BUILTIN_ID)
    return Lock(
        __version__,
        tuple(
            LockedPlugin(report.id, report.distribution, report.version, _digest(report.distribution))
            for report in sorted(loaded, key=lambda report: report.id)
        ),
    )


def read_lock(path: Path) -> Lock:
    """Return the lock in the file ``path``.

    Raises:
        TondoError: TND-U006 if there is no such file, TND-P005 if it is no lock file, or one of a newer format.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
    except OSError as error:
        fail("TND-U006", f"the lock file {path} cannot be read: {error.strerror}")
    try:
        value: object = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        fail("TND-P005", f"{path} is no lock file", help="write one with 'tondo plugin lock'")
    fields = cast("dict[str, object]", value)
    if fields.get("tondo_lock") != LOCK_FORMAT:
        fail("TND-P005", f"{path} has a format that this version does not know", help="write it again, or upgrade")
    core, plugins = fields.get("core"), fields.get("plugins")
    if not isinstance(core, str) or not isinstance(plugins, list):
        fail("TND-P005", f"{path} is damaged", help="write it again with 'tondo plugin lock'")
    return Lock(core, tuple(_entry(path, item) for item in cast("list[object]", plugins)))


def check_lock(lock: Lock, extensions: Extensions, place: str) -> None:
    """Refuse plugins that differ from those of ``lock``.

    Args:
        lock: what is allowed.
        extensions: what is there.
        place: where the lock comes from, for the message.

    Raises:
        TondoError: TND-P005 with every difference.
    """
    found = differences(lock, lock_of(extensions))
    if found:
        fail(
            "TND-P005",
            f"the installed plugins are not those of {place}",
            notes=found,
            help="install the versions of the lock, or write it again with 'tondo plugin lock'",
        )


def differences(wanted: Lock, found: Lock) -> list[str]:
    """Return one clause for each difference, sorted by plugin."""
    clauses: list[str] = []
    if wanted.core != found.core:
        clauses.append(f"tondo-core is {found.core} instead of {printable(wanted.core)}")
    before = {entry.id: entry for entry in wanted.plugins}
    now = {entry.id: entry for entry in found.plugins}
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None and new is not None:
            clauses.append(f"'{name}' ({new.describe()}) is not in the lock")
        elif new is None and old is not None:
            clauses.append(f"'{printable(name)}' ({printable(old.describe())}) is not loaded")
        elif old is not None and new is not None:
            clauses.extend(_changes(name, old, new))
    return clauses


def _changes(name: str, old: LockedPlugin, new: LockedPlugin) -> Iterator[str]:
    if (old.distribution, old.version) != (new.distribution, new.version):
        yield f"'{name}' is {new.describe()} instead of {printable(old.describe())}"
    elif old.digest is not None and new.digest is not None and old.digest != new.digest:
        yield f"'{name}' ({new.describe()}) has other files"


def _entry(path: Path, item: object) -> LockedPlugin:
    fields = cast("dict[str, object]", item) if isinstance(item, dict) else {}
    match [fields.get(name) for name in ("id", "distribution", "version", "digest")]:
        case [str(name), str(distribution), str(version), (str() | None) as digest]:
            return LockedPlugin(name, distribution, version, digest)
        case _:
            return fail("TND-P005", f"{path} is damaged", help="write it again with 'tondo plugin lock'")


def _digest(distribution: str) -> str | None:
    """Return the digest of the recorded files of ``distribution``; None if it runs from sources."""
    try:
        files = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    recorded = {path.as_posix(): f"{path.hash.mode}={path.hash.value}" for path in files if path.hash is not None}
    sources = sorted(f"{name} {digest}" for name, digest in recorded.items() if ".dist-info/" not in name)
    if not sources or any(name.endswith(".pth") for name in recorded):
        return None
    listing = "\n".join(sources)
    return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"
