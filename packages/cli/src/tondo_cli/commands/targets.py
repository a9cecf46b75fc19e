"""``tondo targets``: names that ``--target`` takes, and the facts about the machine that compilation relies on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import typer

from tondo_cli.options import Debug, Json, Plugins
from tondo_cli.output import Output
from tondo_cli.text import size

if TYPE_CHECKING:
    from tondo.target import Target, TargetProvider

app = typer.Typer()


@app.command()
def targets(chosen: Plugins = "", json: Json = False, debug: Debug = False) -> None:
    """List targets and the facts about this machine."""
    from tondo.plugin import collect

    del debug
    providers = sorted(collect(chosen).targets.values(), key=lambda provider: (-provider.priority, provider.name))
    detected = {provider.name: found for provider in providers if (found := provider.detect()) is not None}
    value = {
        "providers": [
            {
                "name": provider.name,
                "kind": provider.kind,
                "priority": provider.priority,
                "names": list(provider.names()),
                "detected": detected[provider.name].describe() if provider.name in detected else None,
            }
            for provider in providers
        ]
    }
    Output(json=json).result(value, _lines(providers, detected))


def _lines(providers: list[TargetProvider], detected: Mapping[str, Target]) -> Iterator[str]:
    for provider in providers:
        yield f"{provider.name} (kind {provider.kind})"
        yield f"  names: {', '.join(provider.names())}"
        if provider.name in detected:
            yield from _facts(detected[provider.name])


def _facts(target: Target) -> Iterator[str]:
    yield f"  this machine: {target.cpu}, {target.triple}, {target.threads} threads"
    if target.vector_bits:
        yield f"  vectors: {target.vector_registers} registers of {target.vector_bits} bits"
    caches = target.caches._asdict()
    if any(caches.values()):
        yield "  caches: " + ", ".join(f"{level} {size(count)}" for level, count in caches.items() if count)
    if target.features:
        yield f"  features: {' '.join(sorted(target.features))}"
