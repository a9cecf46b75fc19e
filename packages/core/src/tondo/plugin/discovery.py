"""Finding and loading plugin modules; every failure becomes a diagnostic of that plugin alone.

The entry points are read here, not by pluggy: its order is that of the file system, a second entry point of the
same name vanishes silently, and one failing import would end the program.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType, TracebackType

from tondo.diagnostics import Diagnostic
from tondo.plugin.info import (
    ENTRY_POINT_GROUP,
    OLDEST_PLUGIN_API,
    PLUGIN_API,
    PluginInfo,
    PluginReport,
    Status,
    is_identifier,
    older,
    printable,
)
from tondo.support.version import __version__


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry point and the distribution that declares it."""

    id: str
    distribution: str
    version: str
    entry: importlib.metadata.EntryPoint

    def report(self, status: Status, *diagnostics: Diagnostic) -> PluginReport:
        """Return a report about this candidate."""
        return PluginReport(printable(self.id), self.distribution, self.version, status, diagnostics)


def find_candidates() -> tuple[Candidate, ...]:
    """Return the plugin entry points of all installed distributions, sorted by id, then distribution.

    Of a distribution that stands on the path twice the first one counts, as for imports.
    """
    found: dict[tuple[str, str], Candidate] = {}
    taken: set[str] = set()
    for distribution in importlib.metadata.distributions():
        entries = _entries(distribution)
        if not entries:
            continue
        name, version = _identity(distribution)
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in taken:
            continue
        taken.add(key)
        for entry in entries:
            found[entry.name, name] = Candidate(entry.name, name, version, entry)
    return tuple(found[key] for key in sorted(found))


def duplicates(candidates: Iterable[Candidate], reserved: frozenset[str]) -> dict[str, Diagnostic]:
    """Return one diagnostic by id that several candidates claim, or that is ``reserved``."""
    owners: dict[str, list[str]] = {}
    for candidate in candidates:
        owners.setdefault(candidate.id, []).append(f"{candidate.distribution} {candidate.version}")
    result: dict[str, Diagnostic] = {}
    for name, packages in owners.items():
        everyone = ["tondo-core", *packages] if name in reserved else packages
        if len(everyone) > 1:
            result[name] = Diagnostic(
                "TND-P002",
                f"the plugin id '{printable(name)}' is claimed by {' and '.join(everyone)}",
                help="uninstall one of these packages",
            )
    return result


def load(candidate: Candidate) -> ModuleType | PluginReport:
    """Return the plugin's module once its :class:`PluginInfo` fits this host, else the report that says why not."""
    if not is_identifier(candidate.id):
        return candidate.report(
            "failed",
            Diagnostic(
                "TND-P001",
                f"'{printable(candidate.id)}' is not a plugin id",
                help="ids are lower-case letters, digits and single '.', '_' or '-'",
            ),
        )
    try:
        module: object = candidate.entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a plugin's import raises is that plugin's failure
        return candidate.report("failed", failure(f"importing '{printable(candidate.entry.value)}' failed", error))
    if not isinstance(module, ModuleType):
        return candidate.report(
            "failed",
            Diagnostic(
                "TND-P004",
                f"'{printable(candidate.entry.value)}' is not a module",
                help="let the entry point name a module, without ':attribute'",
            ),
        )
    problem = _incompatible(getattr(module, "TONDO_PLUGIN", None))
    return module if problem is None else candidate.report("incompatible", problem)


def failure(what: str, error: BaseException, code: str = "TND-P001") -> Diagnostic:
    """Return the diagnostic of an exception inside a plugin, with the place where it was raised."""
    notes = [f"{type(error).__name__}: {printable_lines(str(error))}"]
    frames = [(place.tb_frame.f_code.co_filename, place.tb_lineno) for place in _frames(error.__traceback__)]
    for file, line in reversed(frames):
        if not file.startswith("<frozen"):
            notes.append(f"raised in {printable_lines(file)}, line {line}")
            break
    return Diagnostic(code, what, notes=tuple(notes))


def _frames(place: TracebackType | None) -> Iterator[TracebackType]:
    while place is not None:
        yield place
        place = place.tb_next


def printable_lines(text: str) -> str:
    """Return ``text`` with control characters escaped; lines are joined, long texts are cut."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return shown if len(shown) <= 400 else f"{shown[:400]}..."


def _incompatible(info: object) -> Diagnostic | None:
    if not isinstance(info, PluginInfo):
        return Diagnostic(
            "TND-P003",
            "the plugin's module has no TONDO_PLUGIN",
            help="add TONDO_PLUGIN = PluginInfo(name, api=1, min_core=...) to it",
        )
    if info.api > PLUGIN_API:
        return Diagnostic(
            "TND-P003",
            f"the plugin needs plugin interface {info.api}, this is {PLUGIN_API}",
            help="upgrade tondo-core, or install an older version of the plugin",
        )
    if info.api < OLDEST_PLUGIN_API:
        return Diagnostic(
            "TND-P003",
            f"the plugin was written for plugin interface {info.api}, the oldest that works is {OLDEST_PLUGIN_API}",
            help="upgrade the plugin",
        )
    if older(__version__, info.min_core):
        return Diagnostic(
            "TND-P003",
            f"the plugin needs tondo-core {printable(info.min_core)} or newer, this is {__version__}",
            help="upgrade tondo-core",
        )
    return None


def _entries(distribution: importlib.metadata.Distribution) -> list[importlib.metadata.EntryPoint]:
    try:
        return [entry for entry in distribution.entry_points if entry.group == ENTRY_POINT_GROUP]
    except Exception:  # noqa: BLE001  the metadata of an unrelated, damaged distribution must not stop the compiler
        return []


def _identity(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    try:
        return printable(distribution.metadata["Name"] or "unknown"), printable(distribution.version or "0")
    except Exception:  # noqa: BLE001  metadata without the mandatory fields
        return "unknown", "0"
