"""Commands and options are documented in ``docs/cli.md``, and the page names no others."""

from __future__ import annotations

import re

import pytest
import typer

from tondo_cli.app import COMMANDS, build


def _options(command: typer.Typer) -> set[str]:
    """Long options of a command or of all commands of a group."""
    click = typer.main.get_command(command)
    commands = getattr(click, "commands", {"": click}).values()
    return {
        option
        for one in commands
        for parameter in one.params
        for option in parameter.opts
        if option.startswith("--") and option not in {"--install-completion", "--show-completion"}
    }


@pytest.fixture(scope="module")
def page(house) -> str:
    return (house.root / "docs" / "cli.md").read_text()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_documented_with_its_options(page, name):
    assert f"## tondo {name}" in page.splitlines()
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(__import__(module, fromlist=[attribute]), attribute)
    assert [option for option in sorted(_options(command)) if f"`{option}" not in page] == []


def test_the_page_names_no_other_command_or_option(page):
    assert set(re.findall(r"^## tondo (\w+)$", page, re.MULTILINE)) == set(COMMANDS)
    known = {"--help"}
    for place, _ in COMMANDS.values():
        module, _, attribute = place.partition(":")
        known |= _options(getattr(__import__(module, fromlist=[attribute]), attribute))
    assert set(re.findall(r"(?<![\w-])--[a-z]+", page)) <= known


def test_the_application_has_every_command():
    click = typer.main.get_command(build(["--help"]))
    assert list(click.commands) == list(COMMANDS)
