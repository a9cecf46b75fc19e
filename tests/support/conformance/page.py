"""The page on conformance: rendered from the cases and the expectations, which the test run compares with results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx

from conformance.cases import Case, cases
from conformance.worker import Result

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"
_INTRODUCTION = """\
# ONNX conformance

The backend tests that the `onnx` package brings, compiled by the default pipeline to machine code and compared with the
tolerances of the tests themselves. `nox -s conformance` runs them; each case runs in a process that may crash or hang
without hiding the others. The cases that do not pass are listed, with the reason of each, in
[tests/conformance/expected.yaml](../tests/conformance/expected.yaml); a case that passes unexpectedly is an error too.

This page is generated: `cd tests/support && python -m conformance --update`.
"""


def render(expected: Mapping[str, Result]) -> str:
    """Return the page."""
    known = cases()
    parts = [
        _INTRODUCTION,
        f"## Totals (onnx {onnx.__version__})\n",
        _totals(known.values(), expected),
        "Plain inference: without training, `ai.onnx.ml`, texts, sequences and optional values.\n",
        "## By operator\n",
        "Cases that pass, of all cases of the operator; a case of several operators counts for the one it is about.\n",
        _operators(known.values(), expected),
    ]
    if expected:
        parts += ["## Reasons\n", _reasons(expected)]
    return "\n".join(parts)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _totals(known: Iterable[Case], expected: Mapping[str, Result]) -> str:
    every = list(known)
    plain = [case for case in every if case.plain]
    lines = ["| cases | pass | of | share |", "|---|---|---|---|"]
    for title, chosen in (("plain inference", plain), ("all", every)):
        passed = sum(case.name not in expected for case in chosen)
        lines.append(f"| {title} | {passed} | {len(chosen)} | {_share(passed, len(chosen))} |")
    return "\n".join(lines) + "\n"


def _operators(known: Iterable[Case], expected: Mapping[str, Result]) -> str:
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in known:
        total[case.title] += 1
        passed[case.title] += case.name not in expected
    lines = ["| operator | pass | of |", "|---|---|---|"]
    lines += [f"| {title} | {passed[title]} | {total[title]} |" for title in sorted(total)]
    return "\n".join(lines) + "\n"


def _reasons(expected: Mapping[str, Result]) -> str:
    reasons: Counter[tuple[str, str]] = Counter((entry.outcome, entry.reason) for entry in expected.values())
    ordered = sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    lines = ["| cases | outcome | reason |", "|---|---|---|"]
    lines += [f"| {number} | {outcome} | {_cell(reason)} |" for (outcome, reason), number in ordered]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
