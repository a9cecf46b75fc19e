"""Results, warnings and progress: where they go and what they look like."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tondo.diagnostics import Diagnostic
from tondo_cli.output import BarReporter, Output

WARNING = Diagnostic("TND-C001", "something \x1b[2J is odd", severity="warning")


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self):
        return True


def test_lines_or_json(capsys):
    Output().result({"a": 1}, ["one", "two\x07"])
    assert capsys.readouterr().out == "one\ntwo\\x07\n"
    Output(json=True).result({"a": 1}, ["one"])
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_away_from_a_terminal_only_warnings_are_written(capsys):
    with Output().working() as reporter:
        reporter.progress("passes", 1, 2)
        reporter.diagnostic(WARNING)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "warning[TND-C001]: something \\x1b[2J is odd\n"


@pytest.mark.parametrize("colour", [True, False])
def test_on_a_terminal_a_bar_moves_on_standard_error(monkeypatch, colour):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "" if colour else "1")
    with Output().working() as reporter:
        reporter.progress("passes: [bold]graph.fuse", 1, 2)
        reporter.progress("code", 0, 0)
        reporter.diagnostic(WARNING)
    written = terminal.getvalue()
    assert "passes: [bold]graph.fuse" in written
    assert "\\x1b[2J is odd" in written
    assert ("\x1b[3" in written) == colour


def test_with_json_a_terminal_shows_no_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Output(json=True).working() as reporter:
        reporter.progress("passes", 1, 2)
    assert terminal.getvalue() == ""


def test_one_bar_per_stage_tells_what_is_done(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Output().working() as reporter:
        for place in range(3):
            reporter.progress(f"passes: pass{place}", place, 3)
        reporter.progress("codegen", 1, 2)
        assert isinstance(reporter, BarReporter)
        assert len(reporter._tasks) == 2
    assert "passes: pass2" in terminal.getvalue()
