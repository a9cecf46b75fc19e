"""The pipeline files of ``examples`` are valid, and the one for CPUs is the default that it says it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tondo_cli.actions.pipeline import resolve
from tondo_cli.models import Choice

PIPELINES = sorted((Path(__file__).parents[2] / "examples" / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.name)
def test_a_pipeline_is_valid(file):
    assert resolve(Choice(file)).passes > 0


def test_the_cpu_pipeline_is_the_default_written_out():
    (file,) = [file for file in PIPELINES if file.name == "cpu.yaml"]
    written, default = resolve(Choice(file)), resolve(Choice(target="native"))
    for key in ("numerics", "passes", "codegen", "verify"):
        assert written.content[key] == default.content[key]
