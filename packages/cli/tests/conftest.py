"""``tondo(...)`` runs the command line in this process, as a user's terminal would see it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tondo_cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def tondo(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("TONDO_PLUGINS", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run
