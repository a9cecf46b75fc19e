"""The page on conformance follows from the expectations, and those name cases that exist."""

from __future__ import annotations

from conformance.cases import cases
from conformance.expected import read_expected
from conformance.page import PAGE, render


def test_expectations_name_cases():
    assert set(read_expected()) <= set(cases())


def test_the_page_is_current():
    assert PAGE.read_text() == render(read_expected()), "run: cd tests/support && python -m conformance --update"
