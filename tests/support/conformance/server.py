"""A worker process: reads names of cases from standard input, runs each by the runner of onnx, answers in JSON lines.

``python -m conformance.server [--target TARGET]``. Only answers reach standard output; what a case prints is dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import unittest
import warnings

from onnx.backend.test import BackendTest

import tondo_onnx.backend
from tondo.diagnostics import TondoError
from tondo_runtime import RuntimeFailure

_OPTIONS = {"cache": False, "codegen": {"use": "llvm", "opt_level": 1}}
"""Nothing is taken from the cache; tiny kernels do not reward effort."""


def _backend(target: str):
    class Measured(tondo_onnx.backend.TondoBackend):
        """The backend with the options of this process."""

        @classmethod
        def prepare(cls, model, device="CPU", **kwargs):
            config = {"cache": False} if target == "interp" else _OPTIONS
            return super().prepare(model, device, target=target, threads=1, config=config, **kwargs)

    return Measured


def _functions(target: str) -> dict[str, object]:
    """Return the functions of all cases by their name in the suite."""
    classes = BackendTest(_backend(target), __name__).test_cases.values()
    suffix = "_cpu"
    return {
        name.removesuffix(suffix): getattr(cls(name), name)
        for cls in classes
        for name in dir(cls)
        if name.startswith("test_") and name.endswith(suffix)
    }


def run(function) -> dict[str, object]:
    """Run one case; return its outcome and the reason."""
    start = time.perf_counter()
    outcome, reason = _outcome(function)
    return {"outcome": outcome, "reason": reason, "seconds": round(time.perf_counter() - start, 3)}


def _outcome(function) -> tuple[str, str]:
    try:
        function()
    except TondoError as error:
        outcome = "error" if error.code.startswith("TND-Z") else "unsupported"
        return outcome, "; ".join(_told(entry) for entry in error.diagnostics)
    except RuntimeFailure as error:
        return "failure", f"{error.code}: {error.message}"
    except AssertionError as error:
        return "different", " ".join(str(error).split())[:200]
    except unittest.SkipTest as error:
        return "skipped", str(error)
    except MemoryError:
        return "error", "out of memory"
    except Exception as error:  # noqa: BLE001  whatever a case raises is its result
        return "error", f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return "pass", ""


def _told(entry) -> str:
    """Return what a user reads, without the names of nodes."""
    notes = [note for note in entry.notes if not note.startswith(("at node ", "arguments: "))]
    inside = [note.rsplit(" (", 1)[0] for note in notes] if entry.code == "TND-M003" and notes else [entry.message]
    return f"{entry.code}: {', '.join(inside)}"


def main() -> None:
    """Answer until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", default="native")
    target = parser.parse_args().target
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    functions = _functions(target)
    answers.write(json.dumps({"ready": len(functions)}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(run(functions[line.strip()])) + "\n")


if __name__ == "__main__":
    main()
