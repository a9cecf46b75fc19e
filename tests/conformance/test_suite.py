"""Every case of the official ONNX backend tests, compiled natively, passes or fails as ``expected.yaml`` says."""

from __future__ import annotations

import pytest
from conformance.cases import cases
from conformance.expected import agrees, read_expected
from conformance.worker import Worker

EXPECTED = read_expected()


@pytest.fixture(scope="session")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.mark.long
@pytest.mark.parametrize("name", cases())
def test_case(worker, name):
    result = worker.run(name)
    assert agrees(EXPECTED.get(name), result), (
        f"{result.outcome}: {result.reason}; expected {EXPECTED.get(name, 'pass')}"
    )
