"""Tables, sizes, and characters that a terminal must not see."""

from __future__ import annotations

import io

import pytest

from tondo_cli.text import colour_allowed, printable, size, table


def test_tables_are_aligned():
    assert table([("a", "1"), ("long", "2")], ("name", "n")) == ["name  n", "a     1", "long  2"]
    assert table([]) == []


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"), (5 << 30, "5.0 GiB")]
)
def test_sizes(count, text):
    assert size(count) == text


def test_control_characters_become_escapes():
    assert printable("a\tb\nc") == "a\tb\nc"
    assert printable("\x1b[31m\x07\u202e\x9b") == "\\x1b[31m\\x07\\u202e\\x9b"
    assert printable("größe → 上") == "größe → 上"


def test_colour_only_on_terminals_that_want_it(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colour_allowed(Terminal())
    assert not colour_allowed(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_allowed(Terminal())
