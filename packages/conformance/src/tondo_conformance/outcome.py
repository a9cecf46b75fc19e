"""Exceptions of a case, and the outcome that each of them means."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Final, NoReturn

from tondo.diagnostics import TondoError
from tondo_conformance.result import Outcome, Result
from tondo_runtime import RuntimeFailure

INTERNAL: Final = frozenset({"TND-B001", "TND-B002", "TND-P001", "TND-P002", "TND-P004"})
"""Codes that are no refusal of what was asked for, but defects of a component; TND-Z... too."""

_LONGEST: Final = 2000


class Mismatch(Exception):  # noqa: N818  not an error of the program: what a case found
    """The back end did something else than the case asks for."""


class Skip(Exception):  # noqa: N818
    """The case cannot be asked here."""


class Refused(Exception):  # noqa: N818
    """Compiling was refused with an error code."""

    def __init__(self, code: str, message: str) -> None:
        """Carry code and message."""
        super().__init__(code, message)
        self.code = code
        self.message = message


def mismatch(message: str) -> NoReturn:
    """Raise :class:`Mismatch`."""
    raise Mismatch(message)


def is_refusal(code: str) -> bool:
    """Return whether ``code`` tells a user what is not supported, rather than that something is broken."""
    return code.startswith("TND-") and not code.startswith("TND-Z") and code not in INTERNAL


def told(error: TondoError | RuntimeFailure) -> str:
    """Return message and notes of the first problem on one line."""
    first = error.diagnostics[0] if isinstance(error, TondoError) else error
    return "; ".join([first.message, *first.notes])


def outcome_of(case: Callable[[], dict[str, float] | None]) -> Result:
    """Run ``case`` and return what came of it; times are added by whoever measures them."""
    try:
        return Result("pass", measured=case() or {})
    except Refused as error:
        return _result("refused", f"{error.code}: {error.message}", error.code)
    except Mismatch as error:
        return _result("fail", str(error))
    except Skip as error:
        return _result("skip", str(error))
    except (TondoError, RuntimeFailure) as error:
        return _result("fail" if is_refusal(error.code) else "error", f"{error.code}: {told(error)}", error.code)
    except MemoryError:
        return _result("error", "out of memory")
    except Exception as error:  # noqa: BLE001  whatever a case raises is its result
        place = traceback.extract_tb(error.__traceback__)[-1]
        return _result("error", f"{type(error).__name__}: {error}\nraised in {place.filename}, line {place.lineno}")


def _result(outcome: Outcome, reason: str, code: str = "") -> Result:
    return Result(outcome, reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}...", code=code)
