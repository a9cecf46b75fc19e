"""What LLVM says when it refuses a module, as a TND-B004 that shows the offending line of the IR."""

from __future__ import annotations

import re

from tondo.diagnostics import Diagnostic, Span, TondoError

_PARSER = re.compile(r"<string>:(\d+):(\d+): error: (.*)")


class RefusedError(Exception):
    """LLVM refused a module; the text is LLVM's."""


def refused(name: str, ir_text: str, message: str) -> TondoError:
    """Return the error for the module called ``name``; the place is taken from LLVM's own message if it has one."""
    line, column, reason = _place(ir_text, message)
    lines = ir_text.splitlines()
    known = 0 < line <= len(lines)
    span = Span(f"<{name}.ll>", line, column) if known else Span(f"<{name}.ll>")
    return TondoError(
        Diagnostic(
            "TND-B004",
            f"LLVM refuses the module '{name}': {reason}",
            span,
            lines[line - 1] if known else None,
            notes=("this is the code generator's own text: a defect of Tondo or of an intrinsic that a plugin emits",),
            help="please report it with the module's printed form",
        )
    )


def _place(ir_text: str, message: str) -> tuple[int, int, str]:
    """Line, column (0 if unknown) and the reason.

    The parser gives line and column. The verifier prints the instruction without a place, so it is looked up.
    """
    parsed = _PARSER.search(message)
    if parsed is not None:
        return int(parsed[1]), int(parsed[2]), parsed[3].strip()
    parts = [part.strip() for part in message.strip().splitlines() if part.strip()]
    if not parts:
        return 0, 0, "no reason was given"
    for part in parts[1:]:
        wanted = _normal(part)
        for number, line in enumerate(ir_text.splitlines(), start=1):
            if wanted and _normal(line) == wanted:
                return number, len(line) - len(line.lstrip()) + 1, parts[0]
    return 0, 0, "; ".join(parts)


def _normal(line: str) -> str:
    return re.sub(r"\s+", "", line.split(";", 1)[0])
