"""One model, several engines, each in a process of its own; they take turns on the same processors.

A round gives every engine one turn: a call that warms the caches and is not timed, then timed calls. While one process
runs, the others are stopped. A drifting or busy machine so hits all engines alike, and the ratio survives what the
times do not.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tondo_bench.figures import Array, Ratio, Summary, difference, ratio_to_fastest, turn_order
from tondo_bench.process import Worker, WorkerError
from tondo_bench.zoo import Prepared

OURS = "tondo"
RIVALS = ("onnxruntime", "openvino")
"""The ratio is that of the fastest of these; others are reported beside it."""
REFERENCE = "onnxruntime"
NOT_OFFERED = "LookupError"
"""How the reason begins when an engine works but has no form of the model: nothing has failed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for all models of a run.

    Attributes:
        engines: names, ours among them.
        processors: numbers of the processors that all engines run on; as many as threads.
        threads: threads of one call.
        rounds: turns of each engine.
        calls: timed calls of one turn at most.
        budget: seconds after which a turn ends.
        static: whether engines may rely on the sizes of the inputs.
        target: our target.
        torch: Python file with torch modules.
        pythons: engine to the interpreter that it runs in.
        environment: of the workers.
        cache: our cache folder, emptied for a cold start.
    """

    engines: Sequence[str]
    processors: Sequence[int]
    threads: int
    rounds: int
    calls: int
    budget: float
    static: bool
    target: str | None
    torch: str | None
    pythons: Mapping[str, str]
    environment: Mapping[str, str]
    cache: Path

    def worker(self, engine: str) -> Worker:
        """Start a process for ``engine``."""
        more = {"python": self.pythons[engine]} if engine in self.pythons else {}
        return Worker(self.processors, self.threads, environment=self.environment, **more)

    def task(self, prepared: Prepared) -> dict[str, object]:
        """Return the arguments of a worker's ``open`` for ``prepared``, without the engine."""
        task = {
            "name": prepared.case.name,
            "model": str(prepared.model),
            "threads": self.threads,
            "static": self.static,
            "target": self.target,
            "torch": self.torch,
        }
        return {"task": task, "feed": str(prepared.feed)}


@dataclass(slots=True)
class Result:
    """What was measured of one model.

    Attributes:
        name: of the case.
        threads: of each call.
        times: engine to the distribution of its calls.
        open_seconds: engine to the time from nothing to a model that can be called, imports included; ours from the
            cache.
        cold_seconds: ours without the cache.
        ratio: ours against the fastest rival.
        others: ratio of each engine's median to ours.
        differences: engine to the largest difference from the reference, as a share of the output's range.
        failed: engine to the reason for which it has no times.
    """

    name: str
    threads: int
    times: dict[str, Summary] = field(default_factory=dict)
    open_seconds: dict[str, float] = field(default_factory=dict)
    cold_seconds: float | None = None
    ratio: Ratio | None = None
    others: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def measure(prepared: Prepared, settings: Settings, folder: Path, progress: Callable[[str], None]) -> Result:
    """Return the figures of one model; an engine that fails is left out with its reason."""
    result = Result(prepared.case.name, settings.threads)
    with contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for engine in settings.engines:
            progress(f"opening {result.name} in {engine}")
            try:
                if engine == OURS:
                    result.cold_seconds = _cold(prepared, settings)
                worker = stack.enter_context(settings.worker(engine))
                opened = worker.ask("open", engine=engine, **settings.task(prepared))
            except WorkerError as error:
                result.failed[engine] = str(error)
                continue
            workers[engine] = worker
            result.open_seconds[engine] = float(str(opened["seconds"]))
        _compare(workers, result, folder)
        _race(workers, settings, result, progress)
    return result


def probe(prepared: Prepared, settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """Return the version of each engine that can run a tiny model, and the reason for each one that cannot.

    It also leaves the compiled bytecode of all modules behind, so that no later start pays for it.
    """
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for engine in settings.engines:
        with settings.worker(engine) as worker:
            try:
                opened = worker.ask("open", engine=engine, **settings.task(prepared))
                versions[engine] = str(opened["version"])
            except WorkerError as error:
                text = str(error)
                if text.startswith(NOT_OFFERED):  # it works, but does not know the tiny model
                    versions[engine] = "installed"
                    missing |= {} if settings.torch else {engine: text}
                else:
                    missing[engine] = text
    return {name: version for name, version in versions.items() if name not in missing}, missing


def _cold(prepared: Prepared, settings: Settings) -> float:
    shutil.rmtree(settings.cache, ignore_errors=True)
    with settings.worker(OURS) as worker:
        return float(str(worker.ask("open", engine=OURS, **settings.task(prepared))["seconds"]))


def _compare(workers: Mapping[str, Worker], result: Result, folder: Path) -> None:
    if REFERENCE not in workers:
        return
    answers: dict[str, dict[str, Array]] = {}
    for engine, worker in workers.items():
        path = folder / f"answer_{engine}.npz"
        try:
            worker.ask("answer", path=str(path))
        except WorkerError as error:
            result.failed[engine] = str(error)
            continue
        with np.load(path) as arrays:
            answers[engine] = {name: arrays[name] for name in arrays.files}
        path.unlink()
    for engine, outputs in answers.items():
        if engine != REFERENCE and REFERENCE in answers:
            result.differences[engine] = difference(outputs, answers[REFERENCE])


def _race(workers: Mapping[str, Worker], settings: Settings, result: Result, progress: Callable[[str], None]) -> None:
    rounds: dict[str, list[list[float]]] = {engine: [] for engine in workers if engine not in result.failed}
    for turn in range(-1, settings.rounds):
        progress(f"{result.name}, {settings.threads} threads, round {max(turn, 0) + 1} of {settings.rounds}")
        for engine in turn_order(list(rounds), max(turn, 0)):
            if engine in result.failed:
                continue
            try:
                reply = workers[engine].ask("run", calls=settings.calls, budget=settings.budget)
            except WorkerError as error:
                result.failed[engine] = str(error)
                continue
            if turn >= 0:  # the first round warms up
                seconds = reply["seconds"]
                rounds[engine].append([float(value) for value in seconds] if isinstance(seconds, list) else [])
    measured = {engine: turns for engine, turns in rounds.items() if engine not in result.failed and turns}
    for engine, turns in measured.items():
        result.times[engine] = Summary.of([value for turn in turns for value in turn])
    result.ratio = ratio_to_fastest(measured, OURS, RIVALS)
    if OURS in result.times:
        ours = result.times[OURS].median
        result.others = {name: times.median / ours for name, times in result.times.items() if name != OURS}
