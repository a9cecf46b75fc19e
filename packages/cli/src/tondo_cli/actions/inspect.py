"""A module as text after any pass, or what an artifact says about itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tondo.diagnostics import fail, suggest
from tondo.driver import Plan, Tools, generate, lower
from tondo.ir import IRModule
from tondo.passes import Pass
from tondo.script import script
from tondo_cli.models import Choice, is_artifact
from tondo_cli.output import Output
from tondo_cli.placement import placement_lines
from tondo_cli.text import size, table
from tondo_runtime import Artifact, Manifest, TensorSpec
from tondo_runtime.dims import format_shape

IMPORT: Final = "import"
CODE: Final = "code"


def inspect_model(model: Path, choice: Choice, after: str, function: str | None, out: Output) -> None:
    """Print ``model`` after the stage or pass ``after``, or what the artifact ``model`` holds."""
    if is_artifact(model):
        artifact = Artifact.open(model)
        if after == IMPORT and function is None:
            out.result(artifact.manifest.to_json(), _manifest(artifact.manifest, model))
        else:
            fail("TND-U005", f"{model} is compiled already", help="give the model that it was compiled from")
        return
    with out.working() as reporter:
        text, names = _printed(choice.plan(model), after, function, Tools(reporter=reporter))
    out.result({"after": after, "functions": names, "text": text}, text.splitlines())


def _printed(plan: Plan, after: str, function: str | None, tools: Tools) -> tuple[str, list[str]]:
    if after == CODE:
        return _code(plan, tools)
    module = lower(replace(plan, passes=_until(plan, after)), tools)
    names = list(module.functions)
    if function is None:
        return script(module), names
    if function not in module.functions:
        fail("TND-U005", f"the module has no function '{function}'", help=suggest(function, names))
    return script(IRModule({function: module.functions[function]})), [function]


def _until(plan: Plan, after: str) -> tuple[Pass, ...]:
    """The passes up to and with the one that ``after`` names."""
    if after == IMPORT:
        return ()
    name, _, number = after.partition("#")
    places = [index for index, entry in enumerate(plan.passes) if entry.name == name]
    if not places:
        names = list(dict.fromkeys(entry.name for entry in plan.passes))
        notes = (f"the pipeline runs: {', '.join(names)}",)
        fail("TND-C003", f"the pipeline has no pass '{name}'", notes=notes, help=suggest(name, [IMPORT, *names, CODE]))
    if not number:
        return plan.passes[: places[-1] + 1]
    if not number.isdigit() or not 1 <= int(number) <= len(places):
        fail("TND-U005", f"'{after}' does not exist, {name} runs {len(places)} times")
    return plan.passes[: places[int(number) - 1] + 1]


def _code(plan: Plan, tools: Tools) -> tuple[str, list[str]]:
    if plan.codegen is None:
        fail("TND-U005", "the interpreter makes no code", help="choose another target")
    texts: dict[str, str] = {}

    def keep(name: str, text: str) -> None:
        texts[name] = text

    tools = replace(tools, dump=keep)
    generate(lower(plan, tools), plan, plan.codegen, tools)
    return "\n".join(f"; {name}\n{text}" for name, text in texts.items()), list(texts)


def _manifest(manifest: Manifest, path: Path) -> Iterator[str]:
    made = ", ".join(f"{name} {version}" for name, version in manifest.producer.items())
    yield f"{manifest.name}: {size(path.stat().st_size)}, made by {made or 'unknown'}"
    target = manifest.target
    yield f"target: {target.kind} {target.cpu} {target.triple}; needs {' '.join(target.features) or 'nothing special'}"
    yield from _tensors("input", manifest.inputs)
    yield from _tensors("output", manifest.outputs)
    parameters = sum(math.prod(spec.shape) for spec in manifest.constants)
    yield f"constants: {len(manifest.constants)} with {parameters} elements"
    yield f"kernels: {len(manifest.kernels)}; foreign functions: {', '.join(manifest.packed) or 'none'}"
    if manifest.placement:
        yield from placement_lines(manifest.placement)
    rows = [(name, size(member.size), member.sha256[:12]) for name, member in manifest.members.items()]
    yield from table(rows, ("member", "size", "sha256"))


def _tensors(what: str, specs: Sequence[TensorSpec]) -> Iterator[str]:
    for spec in specs:
        yield f"{what}: {spec.name} {spec.dtype} {format_shape(spec.shape)}"
