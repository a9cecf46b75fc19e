"""Cases of the target: descriptions that hold still, names that work, and code that is the same every time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tondo.diagnostics import TondoError
from tondo.driver import choose_steps
from tondo.ir import IRModule
from tondo.target import Target, parse_target
from tondo_conformance.backend import Backend
from tondo_conformance.case import Case, case
from tondo_conformance.graphs import Graph
from tondo_conformance.outcome import Skip, mismatch
from tondo_conformance.settings import Settings
from tondo_runtime import Artifact

_SECONDS = 300


def cases() -> Iterator[Case]:
    """Yield every case."""
    for name, work in (
        ("description", _description),
        ("names", _names),
        ("attributes", _attributes),
        ("fingerprint", _fingerprint),
        ("code-generator", _codegen),
    ):
        yield case("L1", "target", name, work)
    yield case("L1", "code", "same-in-one-process", _same_here)
    yield case("L1", "code", "same-in-other-processes", _same_elsewhere, patience=5)


def _description(backend: Backend) -> None:
    """The facts about a target are plain values that JSON holds, and say the same every time."""
    target = backend.steps.target
    facts = target.describe()
    if json.loads(json.dumps(facts)) != facts:
        mismatch(f"the description changes when it is written as JSON: {facts}")
    again = choose_steps(backend.pipeline, backend.settings.target or None, None, backend.extensions).target
    if again.describe() != facts or again.fingerprint() != target.fingerprint():
        mismatch("the same request gives another target the second time")
    parsed = parse_target(target, backend.extensions.targets.values())
    if parsed != target:
        mismatch("a target that is given as such is changed")


def _names(backend: Backend) -> None:
    """Every name that a provider of the kind lists can be made."""
    kind = backend.steps.target.kind
    for provider in backend.extensions.targets.values():
        if provider.kind != kind:
            continue
        for name in provider.names():
            made = provider.make(name)
            if made.kind != kind or made.threads < 1:
                mismatch(f"'{name}' of '{provider.name}' is a target of kind '{made.kind}' with {made.threads} threads")


def _attributes(backend: Backend) -> None:
    """The facts about the machine make sense."""
    target: Target = backend.steps.target
    numbers = (target.vector_bits, target.vector_registers, *target.caches)
    if min(numbers) < 0:
        mismatch(f"a size is negative: {target.describe()}")
    if list(target.attrs) != sorted(target.attrs):
        mismatch("the further facts are not sorted by name")


def _fingerprint(backend: Backend) -> None:
    """Another process on this machine finds the same target."""
    found = _elsewhere(backend.settings, "fingerprint", 1)
    if found != backend.steps.target.fingerprint():
        mismatch(f"here {backend.steps.target.fingerprint()}, in another process {found}")


def _codegen(backend: Backend) -> None:
    """A code generator says that it supports the target, and what it depends on, the same way every time."""
    codegen = backend.steps.codegen
    if codegen is None:
        raise Skip("the interpreter needs no code generator")
    if not codegen.supports(backend.steps.target):
        mismatch(f"'{codegen.name}' was chosen, but does not support the target")
    if codegen.digest() != codegen.digest() or not codegen.digest():
        mismatch(f"the digest of '{codegen.name}' is empty or changes from call to call")


def _same_here(backend: Backend) -> None:
    """Compiling a module twice gives the same code, byte by byte."""
    _equal(digests(backend), digests(backend))


def _same_elsewhere(backend: Backend) -> None:
    """Processes with other hash seeds make the same code, byte by byte."""
    first, second = (json.loads(_elsewhere(backend.settings, "digests", seed)) for seed in (1, 2))
    _equal(first, second)


def _equal(first: dict[str, str], second: dict[str, str]) -> None:
    for name in sorted({*first, *second}):
        if first.get(name) != second.get(name):
            mismatch(f"'{name}' differs between two compilations of the same module")


def digests(backend: Backend) -> dict[str, str]:
    """Return digests of module, code and weights of a small network as they are saved."""
    if backend.interpreted:
        raise Skip("the interpreter makes no code")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tondo"
        model = backend.compile(_network(backend))
        model.save(path)
        model.close()
        artifact = Artifact.open(path)
        parts = {"module": artifact.module_text.encode(), **{name: bytes(data) for name, data in artifact.code.items()}}
        parts.update({f"weight {name}": array.tobytes() for name, array in artifact.weights.items()})
        return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


def _network(backend: Backend) -> IRModule:
    rng = np.random.default_rng(3)
    graph = Graph(backend.extensions.operators)
    x = graph.input("x", ("n", 40))
    hidden = graph.call("relu", graph.call("matmul", x, graph.constant(rng.random((40, 24), np.float32))))
    scores = graph.call("add", hidden, graph.constant(rng.random(24, np.float32)))
    return graph.module(graph.call("softmax", scores), graph.call("reduce_max", scores, axes=(1,)))


def _elsewhere(settings: Settings, what: str, seed: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tondo_conformance.contract.target", what, settings.to_json()],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
    )
    if done.returncode != 0:
        mismatch(f"another process ended with status {done.returncode}: {done.stderr[-1500:]}")
    return done.stdout.strip()


def _main() -> None:
    backend = Backend(Settings.from_json(sys.argv[2]))
    try:
        found = backend.steps.target.fingerprint() if sys.argv[1] == "fingerprint" else json.dumps(digests(backend))
    except TondoError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    _main()
