"""A report as a Markdown page for a repository: totals, what did not pass, a table for each level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tondo_conformance.report import Report
from tondo_conformance.result import OUTCOMES
from tondo_conformance.settings import LEVELS
from tondo_conformance.tables import cell, cells, columns, described, remarkable

_LONGEST: Final = 160


def render(report: Report) -> str:
    """Return the page."""
    facts = [f"- {name}: {value}" for name, value in described(report)]
    parts = [f"# Conformance of {report.settings.target}", "", *facts, "", *_summary(report)]
    told = remarkable(report.records)
    if told:
        parts += ["", "## What did not pass", "", "| case | outcome | reason |", "|---|---|---|"]
        parts += [f"| `{entry['id']}` | {entry['outcome']} | {_short(entry)} |" for entry in told]
    for level in report.counts():
        parts += ["", f"## {level}: {LEVELS[level]}", "", *_level(report, level)]
    return "\n".join([*parts, ""])


def _summary(report: Report) -> Iterator[str]:
    counts = report.counts()
    shown = [outcome for outcome in OUTCOMES if any(counter[outcome] for counter in counts.values())]
    yield f"| level | {' | '.join(shown)} |"
    yield "|---" * (len(shown) + 1) + "|"
    for level, counter in counts.items():
        yield f"| {level} {LEVELS[level]} | {' | '.join(str(counter[outcome] or '') for outcome in shown)} |"


def _level(report: Report, level: str) -> Iterator[str]:
    rows = cells(report, level)
    dtypes = columns(rows)
    yield f"| | {' | '.join(dtype or 'cases' for dtype in dtypes)} |"
    yield "|---" * (len(dtypes) + 1) + "|"
    for group, row in rows.items():
        yield f"| {group} | {' | '.join(cell(row[dtype]) if dtype in row else '' for dtype in dtypes)} |"


def _short(fields: Mapping[str, object]) -> str:
    reason = str(fields.get("declared") or fields.get("reason", "")).splitlines()
    text = reason[0] if reason else ""
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
