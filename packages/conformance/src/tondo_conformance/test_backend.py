"""The cases as tests: ``pytest --pyargs tondo_conformance``."""

from __future__ import annotations

import pytest

from tondo_conformance.result import CaseInfo
from tondo_conformance.run import run_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every case that the options choose."""
    run = run_of(metafunc.config)
    metafunc.parametrize("info", [pytest.param(info, id=info.id) for info in run.cases()])


def test_case(info: CaseInfo, request: pytest.FixtureRequest) -> None:
    """Ask a worker, and judge what came of the case."""
    run = run_of(request.config)
    record = run.record(info)
    request.node.user_properties.append(record.as_property())
    match record.verdict:
        case "skipped":
            pytest.skip(record.told)
        case "failed":
            pytest.fail(record.told, pytrace=False)
        case "passed":
            return
