"""``tondo doctor``: checks of the installation, each with what to do if it fails; ends with status 1 if one does."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from tondo_cli.options import Debug, Json, Plugins
from tondo_cli.output import Output

if TYPE_CHECKING:
    from tondo.plugin import Extensions

app = typer.Typer()

_DISTRIBUTION = "tondo"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what, whether it is well, what was found, what to do otherwise."""

    name: str
    ok: bool
    found: str
    help: str = ""


@app.command()
def doctor(chosen: Plugins = "", json: Json = False, debug: Debug = False) -> None:
    """Check the installation; the status is 1 if something is wrong."""
    from tondo.plugin import collect

    del debug
    extensions = collect(chosen, strict=False)
    checks = [*_packages(), *_plugins(extensions), *_abilities(extensions)]
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.found}" for check in checks]
    lines += [f"help: {check.name}: {check.help}" for check in checks if not check.ok and check.help]
    Output(json=json).result({"checks": [asdict(check) for check in checks]}, lines)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _packages() -> Iterator[Check]:
    yield Check("python", True, f"{platform.python_version()} on {platform.platform()}")
    try:
        requirements = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check(_DISTRIBUTION, False, "not installed as a package", "pip install tondo")
        return
    for requirement in requirements:
        name = _NAME.match(requirement)
        if name is None or "extra ==" in requirement:
            continue
        try:
            yield Check(name[0], True, importlib.metadata.version(name[0]))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name[0], False, "not installed", f"pip install '{requirement}'")


def _plugins(extensions: Extensions) -> Iterator[Check]:
    for report in extensions.plugins:
        problem = report.diagnostics[0] if report.diagnostics else None
        found = f"{report.status}" if problem is None else f"{report.status}: {problem.message}"
        yield Check(
            f"plugin {report.id}", report.status in {"loaded", "blocked"}, found, (problem and problem.help) or ""
        )
    for clash in extensions.clashes:
        yield Check("plugin names", False, clash.message, clash.help or "")


def _abilities(extensions: Extensions) -> Iterator[Check]:
    frontends = ", ".join(extensions.frontends)
    yield Check("frontends", bool(frontends), frontends or "none", "pip install tondo-onnx")
    codegens = ", ".join(extensions.codegens)
    yield Check("code generators", bool(codegens), codegens or "none", "pip install tondo-llvm")
    machines = [found for provider in extensions.targets.values() if (found := provider.detect()) is not None]
    names = ", ".join(f"{machine.kind} {machine.cpu}".strip() for machine in machines)
    yield Check("this machine", bool(machines), names or "no provider knows it", "compile with --target naming a CPU")
