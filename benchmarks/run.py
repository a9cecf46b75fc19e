"""Tondo side by side with other engines: ``python benchmarks/run.py``. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples")]

from rich.console import Console  # noqa: E402

from tondo_bench import report  # noqa: E402
from tondo_bench.busy import busy  # noqa: E402
from tondo_bench.contest import OURS, Result, Settings, measure, probe  # noqa: E402
from tondo_bench.engines import ENGINES  # noqa: E402
from tondo_bench.process import WorkerError  # noqa: E402
from tondo_bench.roofline import judge  # noqa: E402
from tondo_bench.summary import Summary, summarize  # noqa: E402
from tondo_bench.zoo import CASES, LOOPS, Case, Prepared, choose, prepare, tiny  # noqa: E402

_SHOWN_KERNELS = 15
_HANDWRITTEN = "handwritten"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    exports = os.environ.get("TONDO_TEST_MODELS")
    add("--models", type=Path, default=Path(exports) if exports else None, help="folder of exports, NAME/model.onnx")
    add("--engines", default="onnxruntime,openvino,inductor", help="engines to compare with, separated by commas")
    add("--threads", default="1,2", help="numbers of threads, separated by commas")
    add("--runs", type=int, default=10, help="rounds: turns of each engine")
    add("--calls", type=int, default=20, help="timed calls in a turn, at most")
    add("--budget", type=float, default=0.3, help="seconds after which a turn ends")
    add("--only", action="append", default=[], metavar="NAME", help="only models whose name contains NAME; repeatable")
    add("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    shapes = parser.add_mutually_exclusive_group()
    shapes.add_argument("--static", dest="static", action="store_true", default=True, help="fix the shapes (default)")
    shapes.add_argument("--dynamic", dest="static", action="store_false", help="leave exported dimensions symbolic")
    add("--target", help="Tondo's target, such as cpu=haswell")
    add("--torch", metavar="FILE", help="Python file with the torch modules of the exports, for inductor")
    add("--python", action="append", default=[], metavar="ENGINE=PATH", help="interpreter of an engine; repeatable")
    add("--cpus", help="processors to use, separated by commas (default: the first ones allowed)")
    add("--loops", action="store_true", help="recurrent layers and decoders with loops instead of the networks")
    add("--no-latency", dest="latency", action="store_false", help="leave out the comparison of engines")
    add("--roofline", action="store_true", help="each kernel against the measured peaks, one core")
    add("--micro", action="store_true", help="cost of a parallel region and of a call, on an idle and a busy machine")
    return parser.parse_args(words)


@dataclass(slots=True)
class Run:
    """One run of this program: what was asked, where it works, what was found."""

    options: argparse.Namespace
    console: Console
    folder: Path
    results: list[Result] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    rooflines: dict[str, dict[str, object]] = field(default_factory=dict)
    micro: dict[str, dict[str, float]] = field(default_factory=dict)

    def settings(self, threads: int) -> Settings:
        """Return what holds for ``threads`` threads."""
        options = self.options
        cpus = [int(word) for word in options.cpus.split(",")] if options.cpus else sorted(os.sched_getaffinity(0))
        if len(cpus) < threads:
            raise SystemExit(f"{threads} threads need as many processors, there are {len(cpus)}")
        engines = [OURS, *(name for name in options.engines.split(",") if name and name != OURS)]
        unknown = [name for name in engines if name not in ENGINES]
        if unknown:
            raise SystemExit(f"unknown engine {unknown[0]}; known are {', '.join(ENGINES)}")
        return Settings(
            engines=[name for name in engines if name not in self.missing],
            processors=cpus[:threads],
            threads=threads,
            rounds=options.runs,
            calls=options.calls,
            budget=options.budget,
            static=options.static,
            target=options.target,
            torch=str(Path(options.torch).resolve()) if options.torch else None,
            pythons=dict(word.split("=", 1) for word in options.python),
            environment={
                "TONDO_CACHE_DIR": str(self.folder / "cache"),
                **({"PYTHONPYCACHEPREFIX": str(self.folder / "bytecode")} if sys.dont_write_bytecode else {}),
            },
            cache=self.folder / "cache",
        )

    def measure_all(self) -> None:
        """Measure every chosen section and print it."""
        counts = sorted({int(word) for word in self.options.threads.split(",")})
        self.versions, self.missing = probe(tiny(self.folder / "tiny"), self.settings(counts[0]))
        report.show(
            self.console, f"engines: {', '.join(f'{name} {version}' for name, version in self.versions.items())}"
        )
        report.show(self.console, *(f"without {name}: {reason[-200:]}" for name, reason in self.missing.items()))
        if OURS in self.missing:
            raise SystemExit(1)
        cases, self.skipped = choose(self.options.only, self.options.models, LOOPS if self.options.loops else CASES)
        report.show(self.console, *(f"skipped {name}: {reason}" for name, reason in self.skipped.items()))
        if self.options.latency or self.options.roofline:
            for case in cases:
                self._case(case, counts)
        if self.options.roofline and (not self.options.only or _HANDWRITTEN in self.options.only):
            self._roofline(_HANDWRITTEN, "handwritten:measure", {"target": self.options.target})
        if self.options.micro:
            self._micro(max(counts))
        self._summary()

    def _case(self, case: Case, counts: Sequence[int]) -> None:
        with self._prepared(case) as prepared:
            if self.options.latency:
                self._latency(prepared, counts)
            if self.options.roofline:
                self._roofline(case.name, "roofline:measure", self.settings(1).task(prepared))

    def _latency(self, prepared: Prepared, counts: Sequence[int]) -> None:
        for threads in counts:
            settings = self.settings(threads)
            with self.console.status("") as status:
                result = measure(prepared, settings, self.folder, status.update)
            self.results.append(result)
        report.show(self.console, report.latency_table(self.results[-len(counts) :], self.settings(1).engines))

    def _roofline(self, name: str, function: str, given: dict[str, object]) -> None:
        with self.settings(1).worker(OURS) as worker, self.console.status(f"{name}: profile"):
            try:
                found = worker.ask("call", function=function, arguments={**given, "calls": 3 * self.options.runs})[
                    "value"
                ]
            except WorkerError as error:
                report.show(self.console, f"no roofline of {name}: {error}")
                return
        if isinstance(found, dict):
            self.rooflines[name] = found
            report.show(self.console, report.roofline_table(name, judge(found), found, _SHOWN_KERNELS))

    def _micro(self, threads: int) -> None:
        prepared = tiny(self.folder / "tiny")
        rounds = replace(self.settings(threads), rounds=max(3, self.options.runs // 2), calls=200, budget=0.1)
        self._costs("", threads, prepared, rounds)
        with busy(rounds.processors):
            self._costs(", two busy processes beside it", threads, prepared, rounds)
        report.show(self.console, report.micro_table(self.micro))
        with self._prepared(Case("light_squeezenet", {}, light="squeezenet")) as network:
            quiet = measure(network, rounds, self.folder, lambda _text: None)
            with busy(rounds.processors):
                loud = measure(network, rounds, self.folder, lambda _text: None)
        for state, result in (("alone", quiet), ("two busy processes beside it", loud)):
            times = {name: summary.median * 1e3 for name, summary in result.times.items()}
            self.micro[f"squeezenet, {threads} threads, {state}"] = times
            texts = ", ".join(f"{name} {value / 1e3:.2f} ms" for name, value in times.items())
            report.show(self.console, f"squeezenet, {threads} threads, {state}: {texts}")

    def _costs(self, state: str, threads: int, prepared: Prepared, settings: Settings) -> None:
        feed = {"model": str(prepared.model), "feed": str(prepared.feed), "threads": threads}
        for what, function, given in (
            (f"region of {threads} threads{state}", "micro:region_overhead", {"threads": threads}),
            (f"call of a session{state}", "micro:call_overhead", feed),
        ):
            with settings.worker(OURS) as worker:
                found = worker.ask("call", function=function, arguments=given)["value"]
            self.micro[what] = {key: float(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def _summary(self) -> None:
        engines = self.settings(1).engines
        if len({result.name for result in self.results}) > 1:
            report.show(self.console, report.latency_table(self.results, engines))
        if self.results:
            report.show(self.console, report.compile_table(self.results, engines))
        report.show(self.console, *report.summary_lines(self.results))
        summary = self.summary()
        if summary.slow_kernels:
            report.show(self.console, report.slow_kernel_table(summary.slow_kernels))
        if summary.models:
            report.show(self.console, report.summary_table(summary), report.promise_table(summary.promises))

    def summary(self) -> Summary:
        """Return all figures in one look."""
        judged = {name: judge(found) for name, found in self.rooflines.items()}
        return summarize(self.results, judged, self.rooflines)

    @contextlib.contextmanager
    def _prepared(self, case: Case) -> Iterator[Prepared]:
        """A model on disk for as long as it is measured: the classic networks take gigabytes together."""
        folder = self.folder / case.name
        with self.console.status(f"preparing {case.name}"):
            prepared = prepare(case, self.options.models, folder)
        try:
            yield prepared
        finally:
            shutil.rmtree(folder)
            shutil.rmtree(self.folder / "cache", ignore_errors=True)

    def as_json(self) -> dict[str, object]:
        """Return everything that was found, with what is needed to judge it."""
        return {
            "machine": machine(),
            "options": {key: str(value) for key, value in vars(self.options).items()},
            "engines": self.versions,
            "missing": self.missing,
            "skipped": self.skipped,
            "results": [dataclasses.asdict(result) for result in self.results],
            "summary": self.summary().as_json(),
            "roofline": {
                name: {**found, "judged": [dataclasses.asdict(kernel) for kernel in judge(found)]}
                for name, found in self.rooflines.items()
            },
            "micro": self.micro,
        }


def machine() -> dict[str, object]:
    """Return what the figures depend on besides the software."""
    model = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options = arguments(words)
    console = report.make_console()
    load = os.getloadavg()[0]
    if load > 0.5:
        report.show(
            console, f"the machine is not idle (load {load:.1f}): trust ratios more than times, and both little"
        )
    with tempfile.TemporaryDirectory(prefix="tondo-bench-") as folder:
        run = Run(options, console, Path(folder))
        try:
            run.measure_all()
        finally:
            if options.json is not None:
                options.json.write_text(json.dumps(run.as_json(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
