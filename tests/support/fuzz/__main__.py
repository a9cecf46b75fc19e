"""``python -m fuzz --count N --seed S``: run trials, print how many came to what, keep every failure as a file."""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy: a process with threads cannot be forked

from fuzz.minimal import smaller  # noqa: E402
from fuzz.seeds import seeds  # noqa: E402
from fuzz.trial import FAILURES, Trial, extensions, judged, trial  # noqa: E402


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--count", type=int, default=1000, help="how many trials")
    add("--seed", type=int, default=0, help="which series of trials")
    add("--first", type=int, default=0, help="number of the first trial")
    add("--jobs", type=int, default=1, help="how many at once")
    add("--out", type=Path, default=Path("fuzz-failures"), help="folder for models that fail")
    add("--json", type=Path, help="write all figures to this file")
    add("--replay", type=Path, nargs="+", help="judge these files instead; the seed is told by their names")
    return parser.parse_args()


def _share(numbers: range, base: int) -> Iterator[Trial]:
    for number in numbers:
        yield trial(number, base)


def _report(found: Trial, out: Path, base: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    stem = f"{found.outcome}-{base}-{found.number}-{found.seed}"
    (out / f"{stem}.onnx").write_bytes(smaller(found, base * 1_000_003 + found.number))
    (out / f"{stem}.txt").write_text(found.reason)
    print(f"{found.outcome}: trial {found.number}, from {found.seed}\n  {_first(found.reason)}", flush=True)


def _first(reason: str) -> str:
    return " | ".join(reason.strip().splitlines()[:3])[:300]


def _run(numbers: range, base: int, out: Path) -> dict[str, object]:
    counts = collections.Counter[str]()
    codes = collections.Counter[str]()
    slowest, largest = 0.0, 0
    for found in _share(numbers, base):
        counts[found.outcome] += 1
        slowest, largest = max(slowest, found.seconds), max(largest, found.megabytes)
        code = re.search(r"TND-[A-Z]\d{3}", found.reason)
        if found.outcome == "refused" and code:
            codes[code[0]] += 1
        if found.failed:
            _report(found, out, base)
    return {"outcomes": dict(counts), "codes": dict(codes), "slowest": slowest, "largest": largest}


def _parallel(arguments: argparse.Namespace) -> dict[str, object]:
    """Run shares in processes of their own; each writes what it found into a file."""
    end = arguments.first + arguments.count
    shares = [range(arguments.first + i, end, arguments.jobs) for i in range(arguments.jobs)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    files = [arguments.out / f"share-{os.getpid()}-{i}.json" for i in range(len(shares))]
    children = []
    for share, file in zip(shares, files, strict=True):
        child = os.fork()
        if child == 0:
            file.write_text(json.dumps(_run(share, arguments.seed, arguments.out)))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    parts = [json.loads(file.read_text()) for file in files]
    for file in files:
        file.unlink()
    totals = {
        key: sum((collections.Counter(part[key]) for part in parts), collections.Counter())
        for key in ("outcomes", "codes")
    }
    return {
        **{key: dict(value.most_common()) for key, value in totals.items()},
        "slowest": max(part["slowest"] for part in parts),
        "largest": max(part["largest"] for part in parts),
    }


def _replay(paths: list[Path]) -> int:
    by_name = {seed.name: seed for seed in seeds()}
    failed = 0
    for path in paths:
        _, base, number, name = path.stem.split("-", 3)
        found = judged(path.read_bytes(), by_name[name], int(number), int(base) * 1_000_003 + int(number))
        failed += found.failed
        print(f"{found.outcome}: {path.name} ({found.seconds:.1f} s, {found.megabytes} MB)\n  {_first(found.reason)}")
    return 1 if failed else 0


def main() -> int:
    """Return 1 if a trial failed."""
    arguments = _arguments()
    extensions()  # before the first fork
    if arguments.replay:
        return _replay(arguments.replay)
    begin = time.monotonic()
    print(f"{len(seeds())} seeds", flush=True)
    figures = _parallel(arguments)
    figures.update(count=arguments.count, seed=arguments.seed, minutes=round((time.monotonic() - begin) / 60, 1))
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))
    outcomes = figures["outcomes"]
    assert isinstance(outcomes, dict)
    return 1 if any(outcomes.get(name) for name in FAILURES) else 0


if __name__ == "__main__":
    sys.exit(main())
