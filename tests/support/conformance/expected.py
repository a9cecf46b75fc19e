"""The cases that are known not to pass, each with its outcome and the reason: ``tests/conformance/expected.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from conformance.worker import Result

FILE = Path(__file__).parents[2] / "conformance" / "expected.yaml"
_HEADER = """\
# Cases of the official ONNX backend tests that do not pass, by outcome and reason. Every other case must pass, and
# every case here must fail in the way that is written here. `python -m conformance --update` rewrites the file.
#
# unsupported: refused with a coded error    different: other values than the suite's    failure: fails at run time
# error, crash, hang: a defect
"""
_STABLE = frozenset({"unsupported"})
"""Outcomes whose reason is a message of Tondo, which must be as written."""

Expected = dict[str, Result]


def read_expected() -> Expected:
    """Return the expected results of the cases that do not pass."""
    if not FILE.is_file():
        return {}
    loaded = YAML(typ="safe").load(FILE.read_text()) or {}
    return {
        name: Result(outcome, entry["reason"])
        for outcome, entries in loaded.items()
        for entry in entries
        for name in entry["cases"]
    }


def write_expected(expected: Mapping[str, Result]) -> None:
    """Write the file: outcome, reason, names of cases."""
    grouped: dict[str, dict[str, list[str]]] = {}
    for name in sorted(expected):
        result = expected[name]
        grouped.setdefault(result.outcome, {}).setdefault(result.reason, []).append(name)
    ordered = {
        outcome: [
            {"reason": reason, "cases": names}
            for reason, names in sorted(reasons.items(), key=lambda entry: (-len(entry[1]), entry[0]))
        ]
        for outcome, reasons in sorted(grouped.items())
    }
    yaml = YAML()
    yaml.width = 118
    yaml.indent(mapping=2, sequence=4, offset=2)
    with FILE.open("w") as file:
        file.write(_HEADER)
        yaml.dump(ordered, file)


def merged(expected: Mapping[str, Result], results: Mapping[str, Result]) -> Expected:
    """Return the expectations after ``results``; a reason that was written by hand stays while the outcome does."""
    after = {name: entry for name, entry in expected.items() if name not in results}
    for name, result in results.items():
        if result.outcome == "pass":
            continue
        before = expected.get(name)
        kept = before is not None and before.outcome == result.outcome and result.outcome not in _STABLE
        after[name] = before if kept and before is not None else Result(result.outcome, result.reason)
    return after


def agrees(expected: Result | None, result: Result) -> bool:
    """Return whether ``result`` is what is expected; None: to pass."""
    if expected is None:
        return result.outcome == "pass"
    return expected.outcome == result.outcome and (result.outcome not in _STABLE or expected.reason == result.reason)
