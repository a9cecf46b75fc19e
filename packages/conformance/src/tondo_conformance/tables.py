"""What the forms of a report share: groups of one level against element types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, cast

from tondo_conformance.report import Report
from tondo_conformance.result import OUTCOMES, Outcome

Cells = dict[str, dict[str, Counter[str]]]

_WORST_FIRST: Final = tuple(reversed(OUTCOMES))


def cells(report: Report, level: str) -> Cells:
    """Return outcomes by group, then by element type, of one level."""
    found: Cells = {}
    for entry in report.records:
        if entry["level"] == level:
            row = found.setdefault(str(entry["group"]), {})
            row.setdefault(str(entry["dtype"]), Counter())[str(entry["outcome"])] += 1
    return dict(sorted(found.items()))


def columns(rows: Cells) -> list[str]:
    """Return the element types of ``rows`` in the order in which they stand in a table."""
    return sorted({dtype for row in rows.values() for dtype in row}, key=_order)


def worst(counter: Mapping[str, int]) -> Outcome:
    """Return the worst outcome that occurs."""
    return next(outcome for outcome in _WORST_FIRST if counter.get(outcome))


def cell(counter: Mapping[str, int]) -> str:
    """Return ``7``, or ``5 of 7`` where not all pass."""
    total, passed = sum(counter.values()), counter.get("pass", 0)
    return str(total) if passed == total else f"{passed} of {total}"


def remarkable(records: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Return the records with a reason, the worst first."""
    found = [entry for entry in records if entry["outcome"] != "pass"]
    return sorted(found, key=lambda entry: (_WORST_FIRST.index(_outcome(entry)), str(entry["id"])))


def described(report: Report) -> list[tuple[str, str]]:
    """Return the facts at the head of a report, with their names."""
    data, backend = report.to_json(), report.backend
    target = backend.get("target")
    known = cast("Mapping[str, object]", target if isinstance(target, dict) else {})
    plugins = backend.get("plugins")
    versions = cast("Mapping[str, object]", plugins if isinstance(plugins, dict) else {})
    facts = [
        ("target", f"{report.settings.target}: {known.get('kind', '?')}, {known.get('cpu', '?')}"),
        ("plugin under test", str(backend.get("plugin", "?"))),
        ("code generator", str(backend.get("codegen") or "none")),
        ("plugins", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("levels", f"up to {report.settings.level}{', the short selection' if report.settings.quick else ''}"),
        ("kit", f"{data['kit']}, Python {backend.get('python', '?')}, {backend.get('system', '?')}"),
    ]
    return [*facts, ("selected", report.settings.select)] if report.settings.select else facts


def _outcome(entry: Mapping[str, object]) -> Outcome:
    return next(outcome for outcome in OUTCOMES if outcome == entry["outcome"])


def _order(dtype: str) -> tuple[int, str]:
    known = ("", "bool", "float64", "float32", "float16", "bfloat16")
    return (known.index(dtype) if dtype in known else len(known), dtype)
