"""The other end of :mod:`tondo_bench.worker`: start a process, give it commands, hold it still in between."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).parents[1]
TIMEOUT_SECONDS = 900.0


class WorkerError(Exception):
    """A worker could not do what it was told; the text says why."""


class Worker:
    """A worker process. Between commands it is stopped, so that threads that still spin take nothing from others."""

    def __init__(
        self,
        processors: Sequence[int],
        threads: int,
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a process on ``processors`` whose engine is told to use ``threads`` threads."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [python, "-m", "tondo_bench.worker", ",".join(str(number) for number in processors)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=worker_environment(threads, environment or {}),
        )
        self._stopped = False

    def ask(self, command: str, **arguments: object) -> dict[str, object]:
        """Return the answer to one command.

        Raises:
            WorkerError: if it fails, dies, or takes more than fifteen minutes.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerError("the process has no pipes")
        try:
            self._signal(stop=False)
            stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
            stdin.flush()
            line = self._line(stdout.fileno())
        except (BrokenPipeError, EOFError) as error:
            raise WorkerError(f"the process ended: {self.log()}") from error
        reply = json.loads(line)
        self._signal(stop=True)
        if "error" in reply:
            raise WorkerError(str(reply["error"]))
        return reply

    def log(self, characters: int = 600) -> str:
        """Return the end of what the process wrote to standard error."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-characters:] or "it said nothing"

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._signal(stop=False)
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # a command that was never read
                    pipe.close()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        """Return the worker itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        """End the process."""
        self.close()

    def _line(self, descriptor: int) -> bytes:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise WorkerError(f"no answer within {TIMEOUT_SECONDS:.0f} s")
            part = os.read(descriptor, 1 << 16)
            if not part:
                raise EOFError
            line += part
        return line

    def _signal(self, *, stop: bool) -> None:
        if stop != self._stopped and self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP if stop else signal.SIGCONT)
            self._stopped = stop


def worker_environment(threads: int, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: thread counts of every arithmetic library, and this folder to import from."""
    count = str(threads)
    values = dict(os.environ)
    # Without compiled bytecode every start would compile Python sources, which an installed package does not.
    values.pop("PYTHONDONTWRITEBYTECODE", None)
    values.update(
        OMP_NUM_THREADS=count,
        OPENBLAS_NUM_THREADS=count,
        MKL_NUM_THREADS=count,
        PYTHONPATH=os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
    )
    values.update(more)
    return values
