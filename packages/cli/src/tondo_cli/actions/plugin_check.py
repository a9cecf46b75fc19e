"""Whether plugins keep what every plugin promises: a quick import, sound components, documentation.

Nothing is compiled; what a back end computes is judged by the conformance kit.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from tondo.diagnostics import TondoError
from tondo.ir import Operator
from tondo.passes import Library
from tondo.plugin import (
    ENTRY_POINT_GROUP,
    Codegen,
    Command,
    Extensions,
    Frontend,
    Pipeline,
    PluginReport,
    check_lock,
    collect,
    read_lock,
)
from tondo.target import Intrinsic, Target, TargetProvider, parse_target
from tondo_cli.actions.plugin_list import component, find_report, sentence_about
from tondo_cli.output import Output
from tondo_cli.text import table

_QUICK: Final = 1.0
"""Seconds of the processor that the import of a plugin's module may take beyond what the core has imported."""
_HEAVY: Final = frozenset(
    {"IPython", "jax", "llvmlite", "onnx", "onnxruntime", "pandas", "rich", "scipy", "tensorflow", "torch", "typer"}
)
_CORE_NAMES: Final = frozenset({"tondo", "tondo-core"})
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")
_TIMEOUT: Final = 60
_PROBE: Final = """
import importlib, json, sys, time
import tondo.ir, tondo.passes, tondo.plugin, tondo.script, tondo.target
before = set(sys.modules)
begin = time.process_time()
importlib.import_module(sys.argv[1])
seconds = time.process_time() - begin
print(json.dumps([seconds, sorted({name.partition(".")[0] for name in set(sys.modules) - before})]))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check of one plugin came to; ``problem`` is None if it holds."""

    plugin: str
    check: str
    problem: str | None = None


def check_plugins(plugin: str | None, chosen: str, locked: Path | None, out: Output) -> bool:
    """Print what the checks of one plugin, or of all, come to; return whether everything holds.

    Raises:
        TondoError: TND-P001 for an unknown plugin, TND-P005 if the plugins are not those of ``locked``.
    """
    extensions = collect(chosen, strict=False)
    if locked is not None:
        check_lock(read_lock(locked), extensions, str(locked))
    wanted = [find_report(extensions, plugin)] if plugin is not None else list(extensions.plugins)
    findings = [found for report in wanted if report.status != "blocked" for found in _checked(report, extensions)]
    findings += [Finding("", "names", f"{clash.code}: {clash.message}") for clash in extensions.clashes]
    broken = [found for found in findings if found.problem is not None]
    value = [{"plugin": found.plugin, "check": found.check, "problem": found.problem} for found in findings]
    out.result({"checks": value, "sound": not broken}, _lines(findings, broken))
    return not broken


def _lines(findings: list[Finding], broken: list[Finding]) -> Iterator[str]:
    yield from table([(found.plugin, found.check, found.problem or "holds") for found in findings], ("id", "check", ""))
    yield ""
    yield f"{len(broken)} of {len(findings)} checks fail" if broken else f"all {len(findings)} checks hold"


def _checked(report: PluginReport, extensions: Extensions) -> Iterator[Finding]:
    if report.status != "loaded":
        for diagnostic in report.diagnostics:
            yield Finding(report.id, "loads", f"{diagnostic.code}: {diagnostic.message}")
        return
    yield Finding(report.id, "loads")
    for check, run in (("imports quickly", _import), ("requires the core", _requirements)):
        yield Finding(report.id, check, run(report))
    targets = list(_targets(extensions))
    undocumented: list[str] = []
    for hook, names in report.provides:
        problems: list[str] = []
        for name in names:
            found = component(extensions, hook, name)
            if found is None:
                continue
            if not sentence_about(found):
                undocumented.append(name)
            problem = _guarded(hook, found, targets, extensions)
            if problem is not None:
                problems.append(f"{name}: {problem}")
        yield Finding(report.id, hook.removeprefix("register_").replace("_", " "), "; ".join(problems) or None)
    says_nothing = f"says nothing about {', '.join(undocumented)}" if undocumented else None
    yield Finding(report.id, "documentation", says_nothing)


def _import(report: PluginReport) -> str | None:
    """Import the plugin's module in a process of its own."""
    entries = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP, name=report.id)
    module = next((entry.module for entry in entries), None)
    if module is None:  # the core itself
        return None
    command = [sys.executable, "-c", _PROBE, module]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"the import of '{module}' takes more than {_TIMEOUT} s"
    if done.returncode != 0:
        return f"'{module}' cannot be imported alone: {done.stderr.strip().splitlines()[-1:]}"
    seconds, imported = cast("tuple[float, list[str]]", json.loads(done.stdout.strip().splitlines()[-1]))
    heavy = sorted(_HEAVY.intersection(imported))
    if heavy:
        return f"imports {', '.join(heavy)}; let the methods of its components do that"
    return f"takes {seconds:.1f} s to import" if seconds > _QUICK else None


def _requirements(report: PluginReport) -> str | None:
    if report.distribution in _CORE_NAMES:
        return None
    try:
        requires = importlib.metadata.requires(report.distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return "its distribution has no metadata"
    for requirement in requires:
        name = _REQUIREMENT.match(requirement)
        if name is not None and name[0].lower().replace("_", "-") in _CORE_NAMES:
            return None if "<" in requirement or "~=" in requirement or "==" in requirement else "sets no upper version"
    return "does not require tondo-core"


def _guarded(hook: str, found: object, targets: list[Target], extensions: Extensions) -> str | None:
    try:
        return _problem(hook, found, targets, extensions)
    except Exception as error:  # noqa: BLE001  whatever a component raises is what the check found
        return f"raised {type(error).__name__}: {error}".splitlines()[0]


def _problem(hook: str, found: object, targets: list[Target], extensions: Extensions) -> str | None:
    match hook:
        case "register_frontends":
            return _frontend(cast("Frontend", found))
        case "register_ops":
            return None if cast("Operator", found).doc else "has no doc"
        case "register_pipelines":
            unknown = [step.use for step in cast("Pipeline", found).passes if step.use not in extensions.passes]
            return f"names passes that nobody brings: {', '.join(unknown)}" if unknown else None
        case "register_targets":
            return _provider(cast("TargetProvider", found))
        case "register_intrinsics":
            return _intrinsic(found, targets)
        case "register_schedule_rules":
            return _rule(found)
        case "register_codegens":
            return _codegen(cast("Codegen", found), targets)
        case "register_libraries":
            return _answers(cast("Library", found).supports, targets)
        case "register_commands":
            return _command(cast("Command", found))
        case _:
            return None


def _frontend(found: Frontend) -> str | None:
    wrong = [suffix for suffix in found.suffixes if not suffix.startswith(".")]
    if wrong:
        return f"the suffix '{wrong[0]}' does not begin with a dot"
    return "claims an object that is nobody's" if found.claims(object()) else None


def _provider(found: TargetProvider) -> str | None:
    for name in found.names():
        target = found.make(name)
        if target.kind != found.kind:
            return f"'{name}' is of the kind '{target.kind}', not '{found.kind}'"
        if target.fingerprint() != found.make(name).fingerprint():
            return f"'{name}' has other facts each time"
    found.detect()
    try:
        found.make("no such machine")
    except TondoError:
        return None
    return "makes a target of any name"


def _intrinsic(found: object, targets: list[Target]) -> str | None:
    if not isinstance(found, Intrinsic):
        return None
    names = [operand.name for operand in found.operands]
    buffers = [buffer.name for buffer in found.semantics.buffers]
    if names != buffers:
        return f"its operands are {', '.join(names)}, its semantics takes {', '.join(buffers)}"
    return _answers(found.available, targets)


def _rule(found: object) -> str | None:
    priority: object = getattr(found, "priority", None)
    return None if isinstance(priority, int) else "its priority is no integer"


def _codegen(found: Codegen, targets: list[Target]) -> str | None:
    if found.digest() != found.digest():
        return "its digest is another one each time"
    return _answers(found.supports, targets)


def _answers(question: Callable[[Target], object], targets: list[Target]) -> str | None:
    wrong = [target.kind for target in targets if not isinstance(question(target), bool)]
    return f"says neither yes nor no about a target of the kind '{wrong[0]}'" if wrong else None


def _command(found: Command) -> str | None:
    module, _, attribute = found.factory.partition(":")
    return None if hasattr(import_module(module), attribute) else f"'{found.factory}' does not exist"


def _targets(extensions: Extensions) -> Iterator[Target]:
    kinds: Mapping[str, None] = dict.fromkeys(provider.kind for provider in extensions.targets.values())
    for kind in kinds:
        try:
            yield parse_target({"kind": kind}, extensions.targets.values())
        except TondoError:  # no such machine here
            continue
