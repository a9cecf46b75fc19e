"""Networks with and without the installed libraries: ``python benchmarks/libraries.py``. See docs/benchmarks.md.

Each network is compiled twice, by the default pipeline and with ``graph.partition`` set to ``never``, and both are run
in turn. The table has the ratio of the best times, what the libraries run, and the largest difference of the outputs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples")]

import numpy as np  # noqa: E402

import tondo  # noqa: E402
from tondo.passes.placement import GENERATED, placements_of  # noqa: E402
from tondo.plugin import Extensions, collect  # noqa: E402
from tondo_bench.zoo import choose, prepare  # noqa: E402


@dataclass(frozen=True, slots=True)
class Row:
    """What was found for one network; times in milliseconds."""

    name: str
    without: float
    with_libraries: float
    placed: int
    asked: int
    difference: float
    compile_seconds: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Time with libraries divided by time without."""
        return self.with_libraries / self.without


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    exports = os.environ.get("TONDO_TEST_MODELS")
    add("--models", type=Path, default=Path(exports) if exports else None, help="folder of exports, NAME/model.onnx")
    add("--only", action="append", default=[], metavar="NAME", help="only models whose name contains NAME; repeatable")
    add("--threads", type=int, default=1, help="threads of a call")
    add("--target", help="Tondo's target, such as cpu=haswell")
    add("--seconds", type=float, default=5.0, help="for how long both versions of a network run in turn")
    add("--prefer", action="store_true", help="let libraries run whatever they take, for comparison")
    add("--dynamic", action="store_true", help="leave exported dimensions symbolic")
    add("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    return parser.parse_args(words)


def passes(extensions: Extensions, mode: str) -> list[dict[str, object]]:
    """Return the default pipeline with ``mode`` for all libraries."""
    names = [spec.use for spec in extensions.pipelines["cpu"].passes]
    return [{"use": name, **({"library": mode} if name == "graph.partition" else {})} for name in names]


def best_times(calls: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    """Run ``calls`` in turn and return the best time of each in milliseconds."""
    best = [float("inf")] * len(calls)
    end = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < end or rounds < 5:
        for i, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - begin)
        rounds += 1
    return [1e3 * value for value in best]


def compare(name: str, path: Path, feed: Path, options: argparse.Namespace, extensions: Extensions) -> Row:
    """Compile and run one network both ways."""
    inputs = dict(np.load(feed))
    models, spent = [], []
    for mode in ("never", "prefer" if options.prefer else "auto"):
        shapes = {} if options.dynamic else {key: list(value.shape) for key, value in inputs.items()}
        config = {"passes": passes(extensions, mode), "model": {"inputs": shapes}, "cache": False}
        begin = time.perf_counter()
        models.append(tondo.compile(path, target=options.target, threads=options.threads, config=config))
        spent.append(time.perf_counter() - begin)
    outputs = [model.run(inputs) for model in models]
    rows = placements_of(models[1].module) if models[1].module is not None else []
    times = best_times([lambda model=model: model.run(inputs) for model in models], options.seconds)
    for model in models:
        model.close()
    return Row(
        name,
        times[0],
        times[1],
        sum(row.calls for row in rows if row.runs != GENERATED),
        sum(row.calls for row in rows),
        max(_difference(outputs[1][key], value) for key, value in outputs[0].items()),
        (spent[0], spent[1]),
    )


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    if expected.size == 0 or expected.dtype.kind != "f":
        return 0.0
    span = float(np.max(expected) - np.min(expected)) or 1.0
    return float(np.max(np.abs(found - expected))) / span


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = arguments(words)
    extensions = collect()
    print(f"libraries: {', '.join(extensions.libraries) or 'none installed'}; threads: {options.threads}")
    cases, left_out = choose(options.only, options.models)
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")
    rows: list[Row] = []
    print(
        f"{'network':<24}{'without':>10}{'with':>10}{'ratio':>8}{'placed':>8}{'asked':>7}{'difference':>12}{'compile':>16}"
    )
    with tempfile.TemporaryDirectory(prefix="tondo-bench-") as folder:
        for case in cases:
            ready = prepare(case, options.models, Path(folder, case.name))
            row = compare(case.name, ready.model, ready.feed, options, extensions)
            rows.append(row)
            spent = f"{row.compile_seconds[0]:.1f} s, {row.compile_seconds[1]:.1f} s"
            print(
                f"{row.name:<24}{row.without:>10.3f}{row.with_libraries:>10.3f}{row.ratio:>8.3f}{row.placed:>8}"
                f"{row.asked:>7}{row.difference:>12.1e}{spent:>16}",
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
