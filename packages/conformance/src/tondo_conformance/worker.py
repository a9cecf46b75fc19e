"""A worker process: answers requests from standard input in JSON lines until it is closed.

``python -m tondo_conformance.worker SETTINGS``. Requests: ``list`` and ``run ID``. Only answers reach standard output;
what cases print goes to the standard error stream, which the test run keeps.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import json
import os
import signal
import sys
import time
import warnings
from typing import TextIO


def _answer(stream: TextIO, value: object) -> None:
    stream.write(json.dumps(value) + "\n")
    stream.flush()


def _serve(answers: TextIO) -> None:
    # Imported here: whatever goes wrong in an import is told to the test run as well.
    from tondo_conformance.backend import Backend
    from tondo_conformance.case import chosen
    from tondo_conformance.catalogue import all_cases
    from tondo_conformance.facts import facts
    from tondo_conformance.outcome import outcome_of
    from tondo_conformance.settings import Settings

    backend = Backend(Settings.from_json(sys.argv[1]))
    cases = {entry.info.id: entry for entry in chosen(all_cases(backend), backend.settings)}
    _answer(answers, {"ready": len(cases)})
    for line in sys.stdin:
        request, _, name = line.strip().partition(" ")
        if request == "list":
            listed = [dataclasses.asdict(entry.info) for entry in cases.values()]
            _answer(answers, {"cases": listed, "facts": facts(backend)})
            continue
        begin, work = time.perf_counter(), time.process_time()
        entry = cases[name]
        result = outcome_of(lambda entry=entry: entry.work(backend))
        spent = {
            "seconds": round(time.perf_counter() - begin, 4),
            "work": round(time.process_time() - work, 4),
        }
        _answer(answers, dataclasses.asdict(dataclasses.replace(result, **spent)))


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    faulthandler.enable(all_threads=True)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    warnings.simplefilter("ignore")
    try:
        _serve(answers)
    except BaseException as error:
        _answer(answers, {"failed": f"{type(error).__name__}: {error}"})
        raise


if __name__ == "__main__":
    main()
