"""Hooks and error codes are documented, and the documentation names no others."""

from __future__ import annotations

import inspect
import re

import pytest

from tondo.diagnostics import CODES
from tondo.plugin import Hooks
from tondo_runtime import errors as runtime_errors

HOOKS = {
    name: member for name, member in vars(Hooks).items() if inspect.isfunction(member) and not name.startswith("_")
}


@pytest.fixture(scope="module")
def hooks_page(house) -> str:
    return (house.root / "docs" / "hooks.md").read_text()


@pytest.fixture(scope="module")
def errors_page(house) -> str:
    return (house.root / "docs" / "errors.md").read_text()


def heading(name: str) -> str:
    """``### `name(parameters) -> result```, as the page must have it."""
    signature = inspect.signature(HOOKS[name])
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    return f"### `{name}{signature.replace(parameters=parameters)}`".replace("'", "")


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook_is_documented_with_its_signature(hooks_page, name):
    assert heading(name) in hooks_page.splitlines()


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook_is_tested(house, name):
    tests = [*house.root.glob("packages/core/tests/**/*.py"), *house.root.glob("tests/e2e/**/*.py")]
    assert any(name in file.read_text() for file in tests)


def test_the_page_names_no_other_hook(hooks_page):
    named = re.findall(r"^### `(\w+)\(", hooks_page, re.MULTILINE)
    assert sorted(named) == sorted(HOOKS)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_documented(errors_page, code):
    assert f"### {code}: {CODES[code].title}" in errors_page.splitlines()


def test_the_page_names_no_other_code(errors_page):
    assert sorted(re.findall(r"^### (TND-[A-Z]\d+):", errors_page, re.MULTILINE)) == sorted(CODES)


def test_codes_in_the_sources_are_in_the_table(house):
    used = {
        code
        for package in house.packages.values()
        for file in package.files()
        for code in re.findall(r"\bTND-[A-Z]\d{3}\b", file.read_text())
    }
    assert used <= set(CODES)


def test_the_runtime_speaks_of_the_same_errors():
    for code, title in runtime_errors.CODES.items():
        assert CODES[code].title == title
        assert runtime_errors.RuntimeFailure(code, "x").exit_status == CODES[code].exit_status
