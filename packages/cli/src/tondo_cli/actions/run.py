"""Run a model or an artifact once, on inputs from files or made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tondo.driver import Tools
from tondo_cli.inputs import Array, fill_inputs, parse_shapes, read_inputs
from tondo_cli.models import Choice
from tondo_cli.output import Output
from tondo_cli.text import table
from tondo_runtime import Profile


@dataclass(frozen=True, slots=True)
class Call:
    """What to run on and what to keep.

    Attributes:
        given: files of inputs.
        seed: of the inputs that are made up.
        output: where to write the outputs.
        profile: whether to print the time of each kernel.
        trace: where to write these times for a browser.
    """

    given: Sequence[str] = ()
    seed: int = 0
    output: Path | None = None
    profile: bool = False
    trace: Path | None = None


def run_model(model: Path, choice: Choice, call: Call, out: Output) -> None:
    """Run ``model`` once; twice with a profile, because the first call sets up memory and threads."""
    given = read_inputs(call.given)
    with out.working() as reporter:
        runnable = choice.open(model, Tools(reporter=reporter))
    inputs = fill_inputs(runnable.inputs, given, parse_shapes(choice.shapes), call.seed)
    outputs = runnable.run(inputs)
    times: Profile | None = None
    if call.profile or call.trace is not None:
        with runnable.profile() as times:
            outputs = runnable.run(inputs)
    if call.output is not None:
        np.savez(call.output, allow_pickle=False, **outputs)
    if times is not None and call.trace is not None:
        times.to_chrome_trace(call.trace)
    value: dict[str, object] = {"outputs": {name: _facts(array) for name, array in outputs.items()}}
    if times is not None:
        value["kernels"] = [{"name": row.name, "count": row.count, "total_ns": row.total_ns} for row in times.table()]
    out.result(value, _lines(outputs, times if call.profile else None))


def _facts(array: Array) -> dict[str, object]:
    facts: dict[str, object] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if array.size:
        numbers = array.astype(np.float64)
        facts |= {"min": float(numbers.min()), "max": float(numbers.max()), "mean": float(numbers.mean())}
    return facts


def _lines(outputs: Mapping[str, Array], times: Profile | None) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for name, array in outputs.items():
        facts = _facts(array)
        numbers = [f"{facts[key]:.6g}" if key in facts else "" for key in ("min", "max", "mean")]
        rows.append((name, str(array.dtype), "x".join(map(str, array.shape)) or "scalar", *numbers))
    yield from table(rows, ("output", "dtype", "shape", "min", "max", "mean"))
    if times is not None:
        yield ""
        yield from times.format().splitlines()
