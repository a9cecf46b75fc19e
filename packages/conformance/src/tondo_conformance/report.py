"""The report of a test run, and its form as JSON (described in the documentation of the kit, format 1)."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tondo_conformance import __version__
from tondo_conformance.declared import Declaration
from tondo_conformance.result import OUTCOMES
from tondo_conformance.settings import LEVELS, Settings

FORMAT: Final = 1
SUFFIXES: Final = (".json", ".html", ".md")
"""Kinds of reports by the ends of their names."""


@dataclass(slots=True)
class Report:
    """Everything that is told about a test run; ``records`` are those of :meth:`Record.to_json`."""

    started: float
    seconds: float = 0.0
    settings: Settings = field(default_factory=Settings)
    declarations: tuple[Declaration, ...] = ()
    backend: Mapping[str, object] = field(default_factory=dict[str, object])
    records: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])

    def counts(self) -> dict[str, Counter[str]]:
        """Return how many cases of each level had each outcome, levels in order."""
        found = {level: Counter[str]() for level in LEVELS}
        for entry in self.records:
            found[str(entry["level"])][str(entry["outcome"])] += 1
        return {level: counter for level, counter in found.items() if counter}

    def failed(self) -> list[Mapping[str, object]]:
        """Return the records of the cases that failed the test run."""
        return [entry for entry in self.records if entry["verdict"] == "failed"]

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        refused = [str(entry["id"]) for entry in self.records if entry["outcome"] == "refused"]
        return {
            "format": FORMAT,
            "kit": __version__,
            "started": datetime.datetime.fromtimestamp(self.started, datetime.UTC).isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "settings": dataclasses.asdict(self.settings),
            "backend": dict(self.backend),
            "declared": [
                {"cases": entry.cases, "reason": entry.reason, "refused": sum(map(entry.matches, refused))}
                for entry in self.declarations
            ],
            "summary": {
                level: {outcome: counter[outcome] for outcome in OUTCOMES if counter[outcome]}
                for level, counter in self.counts().items()
            },
            "cases": sorted(self.records, key=lambda entry: str(entry["id"])),
        }
