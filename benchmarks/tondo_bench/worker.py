"""One process that runs one engine on one model, on command.

``python -m tondo_bench.worker`` reads one JSON object per line from standard input and answers with one line on
standard output. Commands: ``open`` a model with an engine, ``run`` it some times, write its ``answer`` to a file,
``call`` a function of this package (for figures that need no other engine). Needs the standard library, numpy and the
engine, so it also runs in an environment of its own. Whatever else prints goes to standard error.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tondo_bench.engines.task import Opened, Task

Message = dict[str, object]


@dataclass(slots=True)
class Server:
    """Executes commands; holds the open model."""

    opened: Opened | None = field(default=None)

    def open(self, engine: str, task: dict[str, object], feed: str) -> Message:
        """Import the engine and open the model; the time includes both."""
        with np.load(feed) as arrays:
            inputs = {name: arrays[name] for name in arrays.files}
        begin = time.perf_counter()
        adapter = importlib.import_module(f"tondo_bench.engines.{engine}_engine")
        imported = time.perf_counter()
        self.opened = adapter.open_model(Task(feed=inputs, **task))
        end = time.perf_counter()
        return {
            "seconds": end - begin,
            "import_seconds": imported - begin,
            "version": self.opened.version,
            "note": self.opened.note,
        }

    def run(self, calls: int, budget: float) -> Message:
        """Time up to ``calls`` calls, at least one, until ``budget`` seconds are over.

        One call before them is not timed: while others had their turn, they have taken the caches.
        """
        run = self._model().run
        gc.collect()
        gc.disable()
        try:
            run()
            return {"seconds": timed(run, calls, budget)}
        finally:
            gc.enable()

    def answer(self, path: str) -> Message:
        """Write the outputs to ``path``, in order, and return their names."""
        outputs = self._model().answer()
        np.savez(path, **{str(place): np.asarray(array) for place, array in enumerate(outputs.values())})
        return {"names": list(outputs)}

    def call(self, function: str, arguments: dict[str, object]) -> Message:
        """Call ``module:function`` of this package with keyword arguments; it returns plain values."""
        module, _, name = function.partition(":")
        found: Callable[..., Message] = getattr(importlib.import_module(f"tondo_bench.{module}"), name)
        return {"value": found(**arguments)}

    def _model(self) -> Opened:
        if self.opened is None:
            raise RuntimeError("no model is open")
        return self.opened


def timed(run: Callable[[], object], calls: int, budget: float) -> list[float]:
    """Return the seconds of each call of ``run``: up to ``calls``, at least one, until ``budget`` seconds are over."""
    seconds: list[float] = []
    clock = time.perf_counter
    deadline = clock() + budget
    while True:
        begin = clock()
        run()
        end = clock()
        seconds.append(end - begin)
        if len(seconds) >= calls or end >= deadline:
            return seconds


def main() -> None:
    """Pin the process, then serve until the input ends."""
    processors = [int(word) for word in sys.argv[1].split(",")] if len(sys.argv) > 1 else []
    if processors and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = Server()
    for line in sys.stdin:
        request: Message = json.loads(line)
        try:
            reply = getattr(server, str(request.pop("do")))(**request)
        except Exception as error:  # noqa: BLE001  engines have exception classes without a common base
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}".strip()}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
