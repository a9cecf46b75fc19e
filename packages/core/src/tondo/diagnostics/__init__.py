"""Diagnostics: what the user did wrong, where, why, and what to do next.

A :class:`Diagnostic` is one message with a stable code. A :class:`TondoError` carries one or more of them
across the program and to the terminal; it is the only exception that a user's mistake may raise. The table
of codes stands in :mod:`tondo.diagnostics.codes`; ``docs/errors.md`` explains each of them.
"""

from __future__ import annotations

from tondo.diagnostics.codes import CODES, Code
from tondo.diagnostics.diagnostic import Diagnostic, Severity, TondoError, fail, suggest
from tondo.diagnostics.span import Span

__all__ = ["CODES", "Code", "Diagnostic", "Severity", "Span", "TondoError", "fail", "suggest"]
