"""A worker as seen by the test run: a process that may crash or hang without harm."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parents[1]
_START_SECONDS = 180


@dataclass(frozen=True)
class Result:
    """What came of a case: ``pass``, ``unsupported``, ``different``, ``failure``, ``error``, ``crash``, ``hang``."""

    outcome: str
    reason: str = ""
    seconds: float = 0.0


class Worker:
    """One process that runs cases one by one; it is started when needed, and again after a crash or hang."""

    def __init__(self, target: str = "native", seconds: float = 60) -> None:
        """Run for ``target``; a case may take ``seconds``."""
        self._target = target
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def run(self, name: str) -> Result:
        """Run one case."""
        process = self._started()
        assert process.stdin is not None
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        line = self._line(process, self._seconds)
        if line is None:
            self.close()
            return Result("hang", f"no result after {self._seconds:g} seconds", self._seconds)
        if not line:
            status = process.wait()
            self.close()
            return Result("crash", f"the process ended with status {status}")
        return Result(**json.loads(line))

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
        self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(_FOLDER), os.environ.get("PYTHONPATH", "")]),
            }
            command = [sys.executable, "-m", "conformance.server", "--target", self._target]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
            if not self._line(self._process, _START_SECONDS):
                self.close()
                raise RuntimeError("the worker did not start")
        assert self._process is not None
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[str], seconds: float) -> str | None:
        """Return the next line; None after ``seconds`` without one, empty if the process ended."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(seconds) else None
