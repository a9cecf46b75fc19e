"""How every operator of a model will run, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tondo.driver.check import Checked, check
from tondo_cli.models import Choice
from tondo_cli.output import Output
from tondo_cli.text import table

_SHOWN = 3


def check_model(model: Path, choice: Choice, out: Output) -> bool:
    """Print how the operators of ``model`` will run; return whether all of them will."""
    plan = choice.plan(model)
    found = check(plan)
    missing = [entry for entry in found if entry.route == "unsupported"]
    value = {"model": str(model), "target": plan.target.describe(), "operators": [_entry(entry) for entry in found]}
    out.result({**value, "supported": not missing}, _lines(found, missing))
    return not missing


def _entry(checked: Checked) -> dict[str, object]:
    use = checked.use
    return {
        "operator": use.operator,
        "version": use.version,
        "types": list(use.dtypes),
        "nodes": len(use.nodes),
        "examples": list(use.nodes[:_SHOWN]),
        "route": checked.route,
        "detail": checked.detail,
    }


def _lines(found: Sequence[Checked], missing: Sequence[Checked]) -> Iterator[str]:
    rows = [
        (
            checked.use.operator,
            "" if checked.use.version is None else str(checked.use.version),
            ", ".join(checked.use.dtypes),
            str(len(checked.use.nodes)),
            checked.route,
            checked.detail,
        )
        for checked in sorted(found, key=lambda entry: entry.route != "unsupported")
    ]
    yield from table(rows, ("operator", "opset", "types", "nodes", "runs as", "detail"))
    nodes = sum(len(checked.use.nodes) for checked in found)
    count = sum(len(checked.use.nodes) for checked in missing)
    yield ""
    yield f"{count} of {nodes} nodes are not supported" if count else f"all {nodes} nodes are supported"
    for checked in missing:
        shown = ", ".join(f"'{node}'" for node in checked.use.nodes[:_SHOWN])
        yield f"  {checked.use.operator}: {shown}"
