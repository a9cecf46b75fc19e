"""Writing a report in the form that the end of a file's name asks for."""

from __future__ import annotations

import json
from pathlib import Path

from tondo_conformance import html, markdown
from tondo_conformance.report import Report


def write_report(report: Report, path: Path) -> None:
    """Write ``report`` in the form that the end of ``path`` names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".html":
            text = html.render(report)
        case ".md":
            text = markdown.render(report)
        case _:
            text = json.dumps(report.to_json(), indent=1) + "\n"
    path.write_text(text, encoding="utf-8")
