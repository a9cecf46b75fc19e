"""Runs the suite: ``python -m conformance [--update] [--target T] [--jobs N] [PATTERN...]``, from ``tests/support``.

Prints every case whose result differs from ``tests/conformance/expected.yaml``, and totals. ``--update`` (for the
native target, all cases) rewrites that file and ``docs/conformance.md``; reasons of wrong values are kept.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
from collections import Counter
from pathlib import Path
from queue import Empty, SimpleQueue

from conformance.cases import cases
from conformance.expected import agrees, merged, read_expected, write_expected
from conformance.page import PAGE, render
from conformance.worker import Result, Worker


def run_all(names: list[str], target: str, jobs: int, seconds: float) -> dict[str, Result]:
    """Run cases in ``jobs`` processes."""
    queue: SimpleQueue[str] = SimpleQueue()
    for name in names:
        queue.put(name)
    results: dict[str, Result] = {}

    def drain() -> None:
        worker = Worker(target, seconds)
        while True:
            try:
                name = queue.get_nowait()
            except Empty:
                return worker.close()
            results[name] = worker.run(name)

    threads = [threading.Thread(target=drain) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m conformance")
    parser.add_argument("patterns", nargs="*", help="regular expressions; every case if there is none")
    parser.add_argument("--target", default="native")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--json", type=Path, help="write all results there")
    options = parser.parse_args()
    names = [name for name in cases() if _chosen(name, options.patterns)]
    results = run_all(names, options.target, options.jobs, options.seconds)
    expected = read_expected()
    for name in names:
        result = results[name]
        if not agrees(expected.get(name), result):
            print(f"{name}: {result.outcome} {result.reason}")
    print(
        ", ".join(
            f"{number} {outcome}" for outcome, number in Counter(r.outcome for r in results.values()).most_common()
        )
    )
    print(f"{sum(result.seconds for result in results.values()):.0f} s in cases")
    if options.json:
        options.json.write_text(json.dumps({name: vars(results[name]) for name in names}, indent=1))
    if options.update:
        write_expected(merged(expected, results))
        PAGE.write_text(render(read_expected()))


def _chosen(name: str, patterns: list[str]) -> bool:
    return not patterns or any(re.search(pattern, name) for pattern in patterns)


if __name__ == "__main__":
    main()
