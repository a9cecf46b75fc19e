"""Run a function in a process of its own, with limits on memory and time; whatever happens to it is a value.

The process is a fork of this one, which has imported everything and started no thread, so a case costs little more
than its own work.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import resource
import selectors
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_WALL_FACTOR = 8
"""Seconds on the clock per second of processor time: the machine may be busy with other things."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: with a ``value``, or ``raised``, ``crash``, ``hang``, ``memory``, and why."""

    what: str
    value: object = None
    reason: str = ""
    seconds: float = 0.0
    megabytes: int = 0


def isolated(work: Callable[[], object], megabytes: int, seconds: int) -> Ended:
    """Return how ``work`` ended that may take ``megabytes`` beyond what this process has, and ``seconds``."""
    read, write = os.pipe()
    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            os.close(read)
            os.dup2(errors.fileno(), 2)
            _child(work, write, megabytes, seconds)
        os.close(write)
        begin = time.monotonic()
        data, late = _received(read, child, seconds * _WALL_FACTOR)
        if late:
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        errors.seek(0)
        told = errors.read()[-3000:].decode("utf-8", "replace")
    spent, grown = usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if late or number == signal.SIGXCPU:
            clock = time.monotonic() - begin
            return Ended("hang", None, f"{spent:.0f} s of work in {clock:.0f} s\n{told}", spent, grown)
        what = "memory" if "bad_alloc" in told or "out of memory" in told else "crash"
        return Ended(what, None, f"{signal.Signals(number).name}\n{told}", spent, grown)
    if not data:
        return Ended("crash", None, f"status {os.WEXITSTATUS(status)}\n{told}", spent, grown)
    what, value, reason = pickle.loads(data)
    return Ended(what, value, reason, spent, grown)


def _received(read: int, child: int, seconds: float) -> tuple[bytes, bool]:
    """Return what comes through the pipe until it is closed, and whether that took too long.

    Seconds in which one of the two processes was stopped from outside do not count.
    """
    parts: list[bytes] = []
    waited = 0
    with os.fdopen(read, "rb", buffering=0) as stream, selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(1):
                waited += not _is_stopped(child)
                if waited > seconds:
                    return b"", True
                continue
            part = stream.read(1 << 20)
            if not part:
                return b"".join(parts), False
            parts.append(part)


def _is_stopped(child: int) -> bool:
    return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _child(work: Callable[[], object], write: int, megabytes: int, seconds: int) -> None:
    """Run ``work``, send what comes of it, end the process."""
    status = 1
    try:
        faulthandler.enable(all_threads=True)
        faulthandler.register(signal.SIGXCPU, all_threads=True, chain=True)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        space = pages * resource.getpagesize() + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            result = ("value", work(), "")
        except MemoryError as error:
            result = ("memory", None, f"MemoryError: {error}")
        except Exception as error:  # noqa: BLE001 whatever it is becomes an outcome
            result = ("raised", None, f"{type(error).__name__}: {error}")
        with contextlib.suppress(OSError), os.fdopen(write, "wb") as stream:
            pickle.dump(result, stream)
        status = 0
    finally:
        os._exit(status)
