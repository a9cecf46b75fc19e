"""The application: help, exit statuses, rendering of errors, commands of other packages."""

from __future__ import annotations

import json
import types

import pytest
import typer

import tondo as core
from tondo.diagnostics import CODES, fail
from tondo.plugin import Command, Extensions
from tondo_cli import app as application
from tondo_cli.app import COMMANDS
from tondo_runtime.errors import RuntimeFailure


@pytest.fixture
def failing(monkeypatch):
    """Make ``tondo doctor`` raise."""

    def install(error):
        replacement = typer.Typer()

        @replacement.command()
        def doctor(json: bool = False, debug: bool = False) -> None:
            error()

        monkeypatch.setattr(application, "_load", lambda place: replacement)

    return install


def test_help_lists_every_command(tondo):
    done = tondo("--help")
    assert done.status == 0
    for name, (_, line) in COMMANDS.items():
        assert any(row.split() == [name, *line.split()] for row in done.out.splitlines())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_and_takes_json(tondo, name):
    done = tondo(name, "--help")
    assert done.status == 0
    group = {"pipeline": "check", "plugin": "list", "ffi": "list"}
    if name in group:
        done = tondo(name, group[name], "--help")
    assert "--json" in done.out
    assert "--debug" in done.out


def test_version(tondo):
    assert tondo("--version").out == f"tondo {core.__version__}\n"


def test_unknown_command(tondo):
    done = tondo("compiel")
    assert (done.status, done.out) == (2, "")
    assert "No such command 'compiel'. Did you mean 'compile'?" in done.err


def test_unknown_option(tondo):
    done = tondo("targets", "--jsn")
    assert done.status == 2
    assert "No such option" in done.err


@pytest.mark.parametrize(
    ("words", "message", "usage"),
    [
        (["targets", "--jsn"], "No such option: --jsn", "tondo targets [OPTIONS]"),
        (["compiel"], "No such command 'compiel'", "tondo [OPTIONS] COMMAND"),
        (["pipeline", "check"], "Missing argument 'FILE'", "tondo pipeline check [OPTIONS]"),
        (["run", "net.onnx", "--threads", "many"], "Invalid value for '--threads'", "tondo run [OPTIONS]"),
    ],
)
def test_a_command_line_that_cannot_be_understood(tondo, words, message, usage):
    done = tondo(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error[TND-U005]: {message}")
    assert f"\n  note: usage: {usage}" in done.err
    assert "--help' explains\n" in done.err
    coded = tondo(*words, "--json")
    assert (coded.status, coded.err) == (2, "")
    assert coded.json["error"]["code"] == "TND-U005"
    assert coded.json["error"]["message"].startswith(message)


def test_a_group_without_a_command_explains_itself(tondo):
    done = tondo("pipeline")
    assert done.status in {0, 2}
    assert "Usage: tondo pipeline" in done.out + done.err
    assert "error[" not in done.err


@pytest.mark.parametrize("code", ["TND-U005", "TND-M003", "TND-C001", "TND-P001", "TND-X001", "TND-B004"])
def test_a_users_mistake_has_a_message_and_a_status(tondo, failing, code):
    failing(lambda: fail(code, "it is wrong", notes=["because"], help="do it right"))
    done = tondo("doctor")
    assert done.status == CODES[code].exit_status
    assert done.out == ""
    assert done.err == f"error[{code}]: it is wrong\n  note: because\n  help: do it right\n"


def test_an_error_of_the_runtime_looks_the_same(tondo, failing):
    def error():
        raise RuntimeFailure("TND-A002", "needs avx512f", ("this machine has avx2",), "compile again")

    failing(error)
    done = tondo("doctor")
    assert done.status == 7
    assert done.err == "error[TND-A002]: needs avx512f\n  note: this machine has avx2\n  help: compile again\n"


def test_an_error_as_json(tondo, failing):
    failing(lambda: fail("TND-C003", "unknown pass", help="look"))
    done = tondo("doctor", "--json")
    assert done.status == 4
    assert done.json == {"error": {"code": "TND-C003", "message": "unknown pass", "notes": [], "help": "look"}}


def test_a_defect_shows_no_traceback_unless_asked(tondo, failing):
    failing(lambda: [].pop())
    done = tondo("doctor")
    assert done.status == 70
    assert done.err.startswith("error[TND-Z001]: internal error: IndexError: pop from empty list\n  help: ")
    assert "Traceback" not in done.err
    assert "Traceback" in tondo("doctor", "--debug").err


def test_control_codes_of_a_model_do_not_reach_the_terminal(tondo, failing):
    failing(lambda: fail("TND-M004", "node 'a\x1b[2Jb\u202ec' is wrong"))
    assert "node 'a\\x1b[2Jb\\u202ec' is wrong" in tondo("doctor").err


def test_interrupt(tondo, failing):
    def interrupt():
        raise KeyboardInterrupt

    failing(interrupt)
    assert tondo("doctor").status == 130


def test_a_plugin_brings_a_command(tondo, monkeypatch):
    hello = typer.Typer()

    @hello.command()
    def greet(name: str, json: bool = False) -> None:
        """Greet."""
        typer.echo(f"hello {name}")

    module = types.SimpleNamespace(app=hello)
    commands = {"greet": Command("greet", "somewhere:app", "Greet somebody."), "run": Command("run", "x:y")}
    monkeypatch.setattr("tondo.plugin.collect", lambda *_, **__: Extensions(commands=commands))
    monkeypatch.setattr(application.importlib, "import_module", lambda name: {"somewhere": module}[name])
    assert tondo("greet", "world").out == "hello world\n"
    assert "No such command 'gret'. Did you mean 'greet'?" in tondo("gret").err


def test_plugins_as_json(tondo):
    plugins = {plugin["id"]: plugin for plugin in tondo("plugin", "list", "--json").json["plugins"]}
    assert plugins["core"]["status"] == "loaded"
    assert plugins["core"]["distribution"] == "tondo-core"


def test_plugins_can_be_chosen_by_option_and_by_environment(tondo, monkeypatch):
    done = tondo("plugin", "list", "--plugins", "none", "--json")
    assert [plugin["id"] for plugin in done.json["plugins"] if plugin["status"] == "loaded"] == ["core"]
    monkeypatch.setenv("TONDO_PLUGINS", "no such plugin")
    assert tondo("plugin", "list").status == 2


def test_targets_tell_the_facts(tondo):
    done = tondo("targets", "--json")
    kinds = {provider["kind"] for provider in done.json["providers"]}
    assert {"cpu", "interp"} <= kinds
    assert any(provider["detected"] for provider in done.json["providers"])
    assert "this machine: " in tondo("targets").out


def test_doctor_ends_with_one_if_something_is_missing(tondo):
    done = tondo("doctor", "--plugins", "none")
    assert done.status == 1
    assert "FAIL  frontends: none" in done.out
    assert "help: frontends: pip install tondo-onnx" in done.out
    assert json.loads(tondo("doctor", "--plugins", "none", "--json").out)["checks"]
