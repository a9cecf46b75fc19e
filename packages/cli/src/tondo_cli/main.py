"""Entry point: runs the application and turns every exception into a message and an exit status.

A user's mistake is shown as it renders itself (code, place, reason, next step), never with a traceback; a command line
that cannot be understood is one as well (``TND-U005``). Anything else is a defect of Tondo or of a plugin: ``TND-Z001``
with one line, and the traceback with ``--debug``. With ``--json`` the error is one JSON object on standard output.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from tondo_cli import clock  # isort: skip  the time of all other imports counts

from tondo.diagnostics import CODES, Diagnostic, TondoError
from tondo_cli.app import build
from tondo_cli.text import colour_allowed, printable

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@runtime_checkable
class Complaint(Protocol):
    """What the parser of command lines raises; its classes have moved between versions, their methods have not."""

    exit_code: int

    def format_message(self) -> str:
        """Return what is wrong, or the help of a group that was called without a command."""
        ...

    def show(self) -> None:
        """Print that."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``tondo`` with ``arguments`` (the process's own if None) and return the exit status."""
    if arguments is not None:
        clock.restart()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status: object = build(words)(args=words, prog_name="tondo", standalone_mode=False)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except TondoError as error:
        first = error.diagnostics[0]
        value = {"code": error.code, "message": first.message, "notes": first.notes, "help": first.help}
        _report(words, str(error), value)
        return error.exit_status
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback reaches a user unasked
        return _complain(words, error) if isinstance(error, Complaint) else _other(words, error)
    return status if isinstance(status, int) else 0


def _complain(words: Sequence[str], complaint: Complaint) -> int:
    """Report a command line that cannot be understood."""
    if type(complaint).__name__ == "NoArgsIsHelpError":  # not a mistake: what it carries is the help
        complaint.show()
        return complaint.exit_code
    context: object = getattr(complaint, "ctx", None)
    path: object = getattr(context, "command_path", "tondo")
    usage: object = getattr(context, "get_usage", lambda: f"Usage: {path}")()
    lines = " ".join(str(usage).split())
    diagnostic = Diagnostic(
        "TND-U005",
        " ".join(complaint.format_message().split()).removesuffix("."),
        notes=(f"{lines[:1].lower()}{lines[1:]}",),
        help=f"'{path} --help' explains",
    )
    value = {"code": diagnostic.code, "message": diagnostic.message, "notes": diagnostic.notes, "help": diagnostic.help}
    _report(words, diagnostic.render(), value)
    return complaint.exit_code


def _other(words: Sequence[str], error: Exception) -> int:
    """Report an error of the runtime, whose package is imported only here: help has to be quick, or a defect."""
    from tondo_runtime.errors import RuntimeFailure

    if not isinstance(error, RuntimeFailure):
        return _defect(words, error)
    value = {"code": error.code, "message": error.message, "notes": error.notes, "help": error.help}
    _report(words, error.render(), value)
    return error.exit_status


def _defect(words: Sequence[str], error: Exception) -> int:
    code = CODES["TND-Z001"]
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    advice = "this is a defect of Tondo or of a plugin; run again with --debug and report what it prints"
    text = f"error[{code.id}]: {code.title}: {message}\n  help: {advice}"
    if "--debug" in words:
        text = "".join(traceback.format_exception(error)) + text
    _report(words, text, {"code": code.id, "message": message, "notes": (), "help": advice})
    return code.exit_status


def _report(words: Sequence[str], text: str, value: Mapping[str, object]) -> None:
    if "--json" in words:
        sys.stdout.write(json.dumps({"error": value}) + "\n")
        return
    text = printable(text)
    if colour_allowed(sys.stderr):
        head, colon, rest = text.partition(":")
        text = f"\x1b[1;31m{head}\x1b[0m{colon}{rest}"
    sys.stderr.write(text + "\n")
