"""What a report says about the back end: target, pipeline, versions, and the file of what it does not support."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from tondo.diagnostics import TondoError
from tondo_conformance.backend import Backend
from tondo_conformance.entry import entry_of

DECLARED: Final = "conformance.toml"
"""File beside the module of a plugin that says what it does not support."""


def facts(backend: Backend) -> dict[str, object]:
    """Return plain values; a target that cannot be made has none, which the cases of L0 and L1 find as well."""
    try:
        steps = backend.steps
    except TondoError as error:
        return {"plugins": backend.extensions.versions(), "problem": error.diagnostics[0].message}
    plugin = judged(backend)
    return {
        "plugin": plugin,
        "target": steps.target.describe(),
        "fingerprint": steps.target.fingerprint(),
        "passes": [entry.name for entry in steps.passes],
        "codegen": steps.codegen.name if steps.codegen is not None else None,
        "plugins": backend.extensions.versions(),
        "declared": _declared(plugin),
    }


def judged(backend: Backend) -> str:
    """Return the id of the plugin under test: the chosen one, else the one whose component makes the target."""
    if backend.settings.plugin:
        return backend.settings.plugin
    kind, host = backend.steps.target.kind, backend.steps.target
    providers = sorted(
        (entry for entry in backend.extensions.targets.values() if entry.kind == kind),
        key=lambda entry: (-entry.priority, entry.name),
    )
    makers = [entry.name for entry in providers if host.cpu in entry.names() or entry.detect() is not None]
    for report in backend.extensions.plugins:
        provided = dict(report.provides)
        if makers and makers[0] in provided.get("register_targets", ()):
            return report.id
    return "core"


def _declared(plugin: str) -> str:
    """Return the path of the declarations that the plugin brings, empty if it brings none."""
    entry = entry_of(plugin)
    spec = importlib.util.find_spec(entry.module) if entry is not None else None
    if spec is None or spec.origin is None:
        return ""
    path = Path(spec.origin).parent / DECLARED
    return str(path) if path.is_file() else ""
