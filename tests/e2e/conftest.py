"""Fixtures of the end-to-end tests: a cache of their own, the command line, exported models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

MODELS_VARIABLE = "TONDO_TEST_MODELS"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path_factory):
    """Neither the user's plugins nor the user's cache take part."""
    monkeypatch.delenv("TONDO_PLUGINS", raising=False)
    monkeypatch.setenv("TONDO_CACHE", "off")


@dataclass(frozen=True)
class Done:
    """What a process left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def tondo(tmp_path):
    """Run ``tondo`` as a process of its own in an empty folder."""

    def run(*arguments, **variables) -> Done:
        environment = {**os.environ, "NO_COLOR": "1", **variables}
        words = [sys.executable, "-m", "tondo_cli", *map(str, arguments)]
        found = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        return Done(found.returncode, found.stdout, found.stderr)

    return run


@pytest.fixture
def exported():
    """Folder of a model that was exported from a training framework: ``model.onnx``, ``inputs.npz``, ``bench.npz``."""

    def find(name: str) -> Path:
        root = os.environ.get(MODELS_VARIABLE)
        if not root:
            pytest.skip(f"{MODELS_VARIABLE} does not name a folder of exported models")
        folder = Path(root) / name
        if not (folder / "model.onnx").is_file():
            pytest.skip(f"{folder} holds no model.onnx")
        return folder

    return find
