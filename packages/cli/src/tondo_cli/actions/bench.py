"""Measure a model or an artifact, alone or alternating with other engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import tondo
from tondo.diagnostics import fail
from tondo.driver import Tools
from tondo_cli.engines import Engine, Job, engine_names, open_engine, require_engines
from tondo_cli.inputs import Array, fill_inputs, parse_shapes, read_inputs
from tondo_cli.measure import Latency, Ratio, flat, pinned, take_turns
from tondo_cli.models import Choice, Runnable, is_artifact
from tondo_cli.output import Output
from tondo_cli.text import table
from tondo_runtime.host import default_threads

_SELF = "tondo"
_NOISY = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured.

    Attributes:
        threads: of each call.
        processors: which all engines ran on.
        versions: of the engines.
        latency: of each engine.
        ratio: of each other engine's time to ours.
        difference: of each other engine's answer from ours.
    """

    threads: int
    processors: Sequence[int]
    versions: Mapping[str, str]
    latency: Mapping[str, Latency]
    ratio: Mapping[str, Ratio] = field(default_factory=dict[str, Ratio])
    difference: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Race:
    """How to measure.

    Attributes:
        runs: measured calls of each engine.
        warmup: calls before.
        against: other engines, by name, several with commas.
        reference: the model for them, if not the one that is measured.
        given: files of inputs.
        seed: of the inputs that are made up.
    """

    runs: int
    warmup: int
    against: Sequence[str] = ()
    reference: Path | None = None
    given: Sequence[str] = ()
    seed: int = 0


def bench_model(model: Path, choice: Choice, race: Race, out: Output) -> None:
    """Measure ``model``."""
    others = engine_names(race.against)
    if others and race.reference is None and is_artifact(model):
        fail("TND-U005", "an artifact runs in Tondo only", help="name the model for the other engines with --reference")
    require_engines(others)
    given = read_inputs(race.given)
    with pinned(choice.threads) as processors:
        with out.working() as reporter:
            runnable = choice.open(model, Tools(reporter=reporter))
        inputs = fill_inputs(runnable.inputs, given, parse_shapes(choice.shapes), race.seed)
        job = Job(race.reference or model, inputs, choice.threads or default_threads(), _is_fixed(runnable))
        engines = {_SELF: _ours(runnable, inputs), **{name: open_engine(name, job) for name in others}}
        found = _measured(engines, job.threads, processors, race)
    out.result(_value(found), _lines(found))


def _is_fixed(runnable: Runnable) -> bool:
    return all(isinstance(dim, int) for spec in runnable.inputs for dim in spec.shape)


def _ours(runnable: Runnable, inputs: Mapping[str, Array]) -> Engine:
    return Engine(tondo.__version__, lambda: runnable.run(inputs), lambda: runnable.run(inputs))


def _measured(engines: Mapping[str, Engine], threads: int, processors: Sequence[int], race: Race) -> Found:
    others = [name for name in engines if name != _SELF]
    ours = engines[_SELF].answer()
    difference = {name: _difference(ours, engines[name].answer()) for name in others}
    calls = {name: engine.time for name, engine in engines.items()}
    rounds = take_turns(calls, runs=race.runs, warmup=race.warmup)
    return Found(
        threads=threads,
        processors=processors,
        versions={name: engine.version for name, engine in engines.items()},
        latency={name: Latency.of(flat(turns)) for name, turns in rounds.items()},
        ratio={name: Ratio.of(rounds[name], rounds[_SELF]) for name in others},
        difference=difference,
    )


def _difference(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    """Largest difference of any output, as a share of that output's largest magnitude."""
    worst = 0.0
    for name, array in ours.items():
        expected = theirs[name].astype(np.float64)
        if expected.size:
            scale = float(np.max(np.abs(expected))) or 1.0
            worst = max(worst, float(np.max(np.abs(array.astype(np.float64) - expected))) / scale)
    return worst


def _value(found: Found) -> dict[str, object]:
    return {
        "threads": found.threads,
        "processors": list(found.processors),
        "versions": dict(found.versions),
        "latency": {name: latency.as_json() for name, latency in found.latency.items()},
        "ratio": {name: ratio.as_json() for name, ratio in found.ratio.items()},
        "difference": dict(found.difference),
    }


def _lines(found: Found) -> Iterator[str]:
    header = ("engine", "version", "min ms", "median ms", "p90 ms", "spread", "calls")
    more = ("ratio", "by round", "differs by") if found.ratio else ()
    yield from table([_row(name, found) for name in found.latency], (*header, *more))
    where = ", ".join(map(str, found.processors))
    yield f"{found.threads} threads{f' on processors {where}' if where else ''}"
    if found.ratio:
        fastest = min(found.ratio, key=lambda name: found.latency[name].median)
        which = "the fastest other engine; " if len(found.ratio) > 1 else ""
        yield f"{fastest} / {_SELF}: {found.ratio[fastest].value:.2f} ({which}above 1: {_SELF} is faster)"
    noisy = [name for name, latency in found.latency.items() if latency.spread > _NOISY]
    if noisy:
        yield f"the machine was not quiet: the times of {', '.join(noisy)} spread by more than {_NOISY:.0%}"


def _row(name: str, found: Found) -> tuple[str, ...]:
    at = found.latency[name]
    times = (f"{at.min:.3f}", f"{at.median:.3f}", f"{at.p90:.3f}", f"{at.spread:.0%}", str(at.runs))
    row = (name, found.versions[name], *times)
    if not found.ratio:
        return row
    if name not in found.ratio:
        return (*row, "", "", "")
    ratio = found.ratio[name]
    return (*row, f"{ratio.value:.2f}", f"{ratio.low:.2f}..{ratio.high:.2f}", f"{found.difference[name]:.1e}")
