"""The forms of a report."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from tondo_conformance.declared import Declaration
from tondo_conformance.record import record
from tondo_conformance.report import Report
from tondo_conformance.result import OUTCOMES, CaseInfo, Result
from tondo_conformance.settings import Settings
from tondo_conformance.summary import lines
from tondo_conformance.write import write_report

NASTY = "<script>alert('&|*')</script>\nsecond line"


@pytest.fixture
def report():
    found = Report(0.0, 12.5, Settings(target="npu"), (Declaration("L2/*/float16/*", "no half"),))
    found.backend = {"plugin": "npu", "target": {"kind": "npu", "cpu": "one"}, "plugins": {"npu": "1.0"}}
    for index, outcome in enumerate(OUTCOMES):
        kind = "float16" if outcome == "refused" else "float32"
        info = CaseInfo(f"L2/add/{kind}/v{index}", "L2", "add", f"v{index}", kind, "About.")
        reason = "" if outcome == "pass" else NASTY
        found.records.append(record(info, Result(outcome, reason, 0.5), found.declarations).to_json())
    return found


def test_json(report, tmp_path):
    write_report(report, tmp_path / "sub" / "report.json")
    data = json.loads((tmp_path / "sub" / "report.json").read_text())
    assert data["format"] == 1
    assert data["summary"] == {"L2": dict.fromkeys(OUTCOMES, 1)}
    assert data["settings"]["target"] == "npu"
    assert data["declared"] == [{"cases": "L2/*/float16/*", "reason": "no half", "refused": 1}]
    verdicts = {entry["outcome"]: entry["verdict"] for entry in data["cases"]}
    assert verdicts == {
        "pass": "passed", "refused": "skipped", "skip": "skipped",
        "fail": "failed", "error": "failed", "crash": "failed", "hang": "failed",
    }  # fmt: skip


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []
        self.seen = set()
        self.links = []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_well_formed_and_loads_nothing(report, tmp_path):
    write_report(report, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.links == []
    assert "script" not in page.seen
    assert "&lt;script&gt;" in text
    assert "1 of 6" in text


def test_markdown(report, tmp_path):
    write_report(report, tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text()
    assert "| L2 operators | 1 | 1 | 1 | 1 | 1 | 1 | 1 |" in text
    assert "&lt;script>" in text
    assert all(line.count(" | ") <= 8 for line in text.splitlines() if line.startswith("| `"))


def test_the_summary_counts_outcomes(report):
    head, row, *rest = lines(report)
    assert head.split() == list(OUTCOMES)
    assert row.split() == ["L2", "operators", *["1"] * len(OUTCOMES)]
    assert rest == []
