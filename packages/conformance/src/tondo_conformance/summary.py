"""The end of a test run on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from tondo_conformance.report import Report
from tondo_conformance.result import OUTCOMES
from tondo_conformance.settings import LEVELS


def lines(report: Report) -> Iterator[str]:
    """Yield a table of levels and outcomes, and declarations that nothing needed."""
    counts = report.counts()
    shown = [outcome for outcome in OUTCOMES if any(counter[outcome] for counter in counts.values())]
    yield f"{'':15}" + "".join(f"{outcome:>9}" for outcome in shown)
    for level, counter in counts.items():
        yield f"{level} {LEVELS[level]:12}" + "".join(f"{counter[outcome] or '':>9}" for outcome in shown)
    refused = [str(entry["id"]) for entry in report.records if entry["outcome"] == "refused"]
    for entry in report.declarations:
        if not any(entry.matches(name) for name in refused):
            yield f"declared as unsupported, but nothing was refused: {entry.cases}"
