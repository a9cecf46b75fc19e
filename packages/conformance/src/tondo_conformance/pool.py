"""Workers as seen by the test run: processes that may crash or hang without harm, and several of them at a time."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

from tondo_conformance.result import CaseInfo, Result
from tondo_conformance.settings import Settings

START_SECONDS: Final = 120
_TAIL: Final = 3000
_ENVIRONMENT: Final = {"TONDO_CACHE": "off", "NO_COLOR": "1"}
"""Compiled code is made anew: what a cache holds was made by who knows which version."""


class WorkerFailed(Exception):  # noqa: N818
    """The worker did not come up; ``result`` is what came of it."""

    def __init__(self, result: Result) -> None:
        """Carry ``result``."""
        super().__init__(result.reason)
        self.result = result


class Worker:
    """One process that runs cases one by one; it is started when needed, and again after a crash or a hang."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        """A case may take ``seconds``."""
        self._settings = settings
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._errors: IO[bytes] | None = None

    def cases(self) -> tuple[list[CaseInfo], dict[str, object]]:
        """Return the cases that the settings choose, and facts about the back end.

        Raises:
            WorkerFailed: if the process does not come up, which is a result of the back end as well.
        """
        answer = self._ask("list", START_SECONDS)
        if isinstance(answer, Result):
            raise WorkerFailed(answer)
        return [CaseInfo(**entry) for entry in answer["cases"]], answer["facts"]

    def run(self, info: CaseInfo) -> Result:
        """Run one case; whatever happens is a result."""
        if info.alone:
            self.close()
        seconds = self._seconds * info.patience
        try:
            answer = self._ask(f"run {info.id}", seconds)
        except WorkerFailed as failed:
            return failed.result
        if info.alone:
            self.close()
        return answer if isinstance(answer, Result) else Result(**answer)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def _ask(self, request: str, seconds: float) -> Result | dict[str, Any]:
        """Return the answer to ``request``, or what came of the process instead."""
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(f"{request}\n")
            process.stdin.flush()
        except OSError:
            return self._ended(process)
        line = self._line(process, seconds)
        if line is None:
            return self._late(process, seconds)
        return json.loads(line) if line else self._ended(process)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None:
            return self._process
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        process = subprocess.Popen(
            [sys.executable, "-m", "tondo_conformance.worker", self._settings.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **_ENVIRONMENT},
        )
        self._process = process
        self._lines = queue.SimpleQueue()
        threading.Thread(target=_read, args=(process.stdout, self._lines), daemon=True).start()
        line = self._line(process, START_SECONDS)
        if line is None:
            raise WorkerFailed(self._late(process, START_SECONDS))
        told: dict[str, Any] = json.loads(line) if line else {}
        if "ready" not in told:
            ended = self._ended(process)
            failed = Result("error", f"{told['failed']}\n{ended.reason}") if "failed" in told else ended
            raise WorkerFailed(failed)
        return process

    def _line(self, process: subprocess.Popen[str], seconds: float) -> str | None:
        """Return the next line; None if it takes too long, empty if the process ended.

        Seconds in which the process was stopped from outside do not count.
        """
        waited = 0.0
        while waited < seconds:
            step = min(1.0, seconds - waited)
            try:
                return self._lines.get(timeout=step)
            except queue.Empty:
                waited += 0 if _is_stopped(process.pid) else step
        return None

    def _late(self, process: subprocess.Popen[str], seconds: float) -> Result:
        """Ask the process where it is, end it, and return that it hangs."""
        if hasattr(signal, "SIGUSR1"):
            process.send_signal(signal.SIGUSR1)
            threading.Event().wait(0.2)
        told = self._told()
        self.close()
        return Result("hang", f"no answer after {seconds:g} s{told}", seconds)

    def _ended(self, process: subprocess.Popen[str]) -> Result:
        try:
            status = process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            return self._late(process, START_SECONDS)
        told = self._told()
        self.close()
        what = _signal_name(-status) if status < 0 else f"exit status {status}"
        return Result("crash", f"{what}{told}")

    def _told(self) -> str:
        """Return the last lines of the standard error stream of the process."""
        assert self._errors is not None
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _TAIL))
        text = self._errors.read().decode("utf-8", "replace").strip()
        return f"\n{text}" if text else ""


class Pool:
    """Runs cases in several workers; every case is a future."""

    def __init__(self, settings: Settings, seconds: float, jobs: int) -> None:
        """Start at most ``jobs`` workers, when they are needed."""
        self._local = threading.local()
        self._workers: list[Worker] = []
        self._closed = False
        self._make: Callable[[], Worker] = lambda: Worker(settings, seconds)
        self._executor = ThreadPoolExecutor(jobs, "tondo-conformance")

    def submit(self, cases: Sequence[CaseInfo]) -> list[Future[Result]]:
        """Return the results to come of ``cases``, which run one after the other in one worker."""
        futures: list[Future[Result]] = [Future() for _ in cases]
        self._executor.submit(self._run, list(zip(cases, futures, strict=True)))
        return futures

    def close(self) -> None:
        """End every worker; cases that did not begin are given up."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def _run(self, cases: Sequence[tuple[CaseInfo, Future[Result]]]) -> None:
        worker: Worker | None = getattr(self._local, "worker", None)
        if worker is None:
            worker = self._local.worker = self._make()
            self._workers.append(worker)
        for info, future in cases:
            if self._closed:
                future.cancel()
                continue
            try:
                future.set_result(worker.run(info))
            except Exception as error:  # noqa: BLE001  whoever waits for the result is told
                future.set_exception(error)


def _read(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Pass lines on; an empty one means that the stream ended."""
    try:
        for line in stream:
            lines.put(line)
    except (OSError, ValueError):
        pass
    lines.put("")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_stopped(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in {"T", "t"}
    except (OSError, IndexError):
        return False
