"""Collects what came of the cases while pytest runs them, and reports it at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from tondo_conformance.record import property_of
from tondo_conformance.report import Report
from tondo_conformance.result import CaseInfo
from tondo_conformance.run import existing_run, run_of
from tondo_conformance.summary import lines
from tondo_conformance.write import write_report

_OUTPUT = "tondo_conformance"


class Recorder:
    """The hooks of one session; cases may have run in it or in processes that xdist started."""

    def __init__(self, config: pytest.Config, files: Sequence[str]) -> None:
        """Write reports to ``files`` in the end."""
        self._config = config
        self._files = [Path(name) for name in files]
        self._report = Report(time.time())

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell the run which cases are left after all selection, so that workers can begin."""
        run = existing_run(self._config)
        if run is not None:
            params = [getattr(getattr(item, "callspec", None), "params", {}) for item in session.items]
            run.planned = [info for info in (entry.get("info") for entry in params) if isinstance(info, CaseInfo)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that a test report carries."""
        found = property_of(report.user_properties) if report.when == "call" else None
        if found is not None:
            self._report.records.append(found)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """Take the facts about the back end from a process that xdist started."""
        del error
        facts = cast("Mapping[str, object]", getattr(node, "workeroutput", {})).get(_OUTPUT)
        if isinstance(facts, dict):
            self._report.backend = cast("dict[str, object]", facts)

    def pytest_sessionfinish(self) -> None:
        """End the workers and write the reports."""
        run = existing_run(self._config)
        if run is not None:
            run.close()
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = dict(run.backend) if run is not None else {}
            return
        report = self._report
        if not report.records:
            return
        run = run_of(self._config)
        report.seconds = round(time.time() - report.started, 1)
        report.settings = run.settings
        report.declarations = run.declarations
        report.backend = report.backend or run.backend
        for path in self._files:
            write_report(report, path)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a table of levels and outcomes."""
        if not self._report.records:
            return
        terminalreporter.section("tondo conformance")
        for line in lines(self._report):
            terminalreporter.write_line(line)
        for path in self._files:
            terminalreporter.write_line(f"report: {path}")
