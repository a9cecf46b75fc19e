"""A report as one HTML page without scripts or anything to load from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from tondo_conformance.report import Report
from tondo_conformance.result import OUTCOMES
from tondo_conformance.settings import LEVELS
from tondo_conformance.tables import cell, cells, columns, described, remarkable, worst

_STYLE: Final = """
:root { color-scheme: light dark; --pass: #2e7d3240; --refused: #9e9e9e50; --skip: #9e9e9e25; --fail: #d32f2f70;
  --error: #c2185b70; --crash: #7b1fa280; --hang: #ef6c0080; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { padding: .15rem .6rem; border: 1px solid #8884; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
tbody th { font-weight: normal; }
.pass { background: var(--pass); } .refused { background: var(--refused); } .skip { background: var(--skip); }
.fail { background: var(--fail); } .error { background: var(--error); } .crash { background: var(--crash); }
.hang { background: var(--hang); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0 .8rem 1.2rem; }
summary { cursor: pointer; } .tag { border-radius: .3rem; padding: 0 .4rem; }
dt { float: left; clear: left; width: 10rem; opacity: .7; } dd { margin-left: 10.5rem; }
"""


def render(report: Report) -> str:
    """Return the page."""
    title = f"Conformance of {report.settings.target}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        "<dl>",
        *(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in described(report)),
        "</dl>",
        *_summary(report),
        *_declared(report),
        *_details(report),
    ]
    for level in report.counts():
        parts.append(f"<h2>{level}: {escape(LEVELS[level])}</h2>")
        parts.extend(_level(report, level))
    return "\n".join([*parts, "</body></html>", ""])


def _summary(report: Report) -> Iterator[str]:
    counts = report.counts()
    shown = [outcome for outcome in OUTCOMES if any(counter[outcome] for counter in counts.values())]
    yield "<table><thead><tr><th>level</th>" + "".join(f"<th>{outcome}</th>" for outcome in shown) + "</tr></thead>"
    for level, counter in counts.items():
        numbers = "".join(
            f'<td class="{outcome}">{counter[outcome]}</td>' if counter[outcome] else "<td></td>" for outcome in shown
        )
        yield f"<tr><th>{level} {escape(LEVELS[level])}</th>{numbers}</tr>"
    yield "</table>"


def _declared(report: Report) -> Iterator[str]:
    if report.declarations:
        yield "<h2>Declared as unsupported</h2><ul>"
        for entry in report.declarations:
            yield f"<li><code>{escape(entry.cases)}</code>: {escape(entry.reason)}</li>"
        yield "</ul>"


def _details(report: Report) -> Iterator[str]:
    told = remarkable(report.records)
    if not told:
        return
    yield "<h2>What did not pass</h2>"
    for entry in told:
        yield _detail(entry)


def _detail(entry: Mapping[str, object]) -> str:
    outcome = str(entry["outcome"])
    is_open = " open" if entry["verdict"] == "failed" else ""
    declared = f"\ndeclared: {entry['declared']}" if entry["declared"] else ""
    return (
        f'<details{is_open}><summary><span class="tag {outcome}">{outcome}</span> '
        f"<code>{escape(str(entry['id']))}</code></summary>"
        f"<pre>{escape(str(entry['about']))}\n{escape(str(entry['reason']))}{escape(declared)}</pre></details>"
    )


def _level(report: Report, level: str) -> Iterator[str]:
    rows = cells(report, level)
    dtypes = columns(rows)
    head = "".join(f"<th>{escape(dtype) or 'cases'}</th>" for dtype in dtypes)
    yield f"<table><thead><tr><th></th>{head}</tr></thead><tbody>"
    for group, row in rows.items():
        filled = "".join(
            f'<td class="{worst(row[dtype])}">{cell(row[dtype])}</td>' if dtype in row else "<td></td>"
            for dtype in dtypes
        )
        yield f"<tr><th>{escape(group)}</th>{filled}</tr>"
    yield "</tbody></table>"
