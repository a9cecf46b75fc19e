"""The pytest plugin: options, a report, a summary. It imports nothing of Tondo and does nothing in other test runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from tondo_conformance.recorder import Recorder
from tondo_conformance.report import SUFFIXES
from tondo_conformance.settings import LEVELS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; all begin with ``--tondo``."""
    group = parser.getgroup("tondo", "conformance of a back end of Tondo (pytest --pyargs tondo_conformance)")
    topics = ", ".join(f"{level} {topic}" for level, topic in LEVELS.items())
    group.addoption("--tondo-target", default="native", metavar="TARGET", help="what to compile for (native)")
    group.addoption("--tondo-config", metavar="FILE", help="pipeline file to compile with")
    group.addoption("--tondo-plugin", metavar="ID", help="plugin that is judged at L0 (the one of the target)")
    group.addoption("--tondo-level", default="L3", choices=list(LEVELS), help=f"run up to this level (L3): {topics}")
    group.addoption("--tondo-select", metavar="PATTERNS", help="ids of cases, such as 'L2/add/*,-*/float16/*'")
    group.addoption("--tondo-quick", action="store_true", help="a short selection of the cases")
    group.addoption("--tondo-declared", metavar="FILE", help="TOML file of what the back end does not support")
    group.addoption("--tondo-timeout", type=float, default=60.0, metavar="SECONDS", help="for one case (60)")
    group.addoption("--tondo-jobs", type=int, metavar="N", help="processes at a time (one per core, at most 4)")
    group.addoption(
        "--tondo-report",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report as .json, .html or .md; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse reports of unknown kinds before anything runs, and listen."""
    files = cast("Sequence[str]", config.getoption("tondo_report"))
    for name in files:
        if Path(name).suffix not in SUFFIXES:
            raise pytest.UsageError(f"--tondo-report: {name} should end in {', '.join(SUFFIXES)}")
    config.pluginmanager.register(Recorder(config, files), "tondo-conformance")
