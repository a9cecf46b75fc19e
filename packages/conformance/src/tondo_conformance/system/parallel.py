"""Cases of threads and processes: calls side by side, many sessions, forks, closing while others call."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from tondo_conformance.backend import Array, Backend
from tondo_conformance.case import Case, case
from tondo_conformance.compare import compare
from tondo_conformance.outcome import Skip, mismatch
from tondo_conformance.system.sample import SIZES, answer, expect, module, rows
from tondo_runtime import RuntimeFailure

_WORKERS: Final = 4
_CALLS: Final = 400
_SESSIONS: Final = 6
_FORK_SECONDS: Final = 30.0


def cases() -> Iterator[Case]:
    """Yield every case."""
    yield case("L4", "threads", "side-by-side", _side_by_side, alone=True)
    yield case("L4", "threads", "numbers", _numbers, alone=True)
    yield case("L4", "threads", "close-while-called", _close_while_called, alone=True)
    yield case("L4", "sessions", "many", _many, alone=True, patience=3)
    yield case("L4", "sessions", "closed", _closed)
    yield case("L4", "processes", "fork", _fork, alone=True)


def _side_by_side(backend: Backend) -> None:
    """Calls from several threads at a time give the same answers, bit by bit, as one after the other."""
    model = backend.model(module(backend))
    wanted = {size: answer(model, size) for size in SIZES}

    def call(number: int) -> None:
        size = SIZES[number % len(SIZES)]
        expect(answer(model, size), wanted[size], f"call {number} of {_WORKERS} threads")

    with ThreadPoolExecutor(_WORKERS) as executor:
        list(executor.map(call, range(_CALLS)))


def _numbers(backend: Backend) -> None:
    """With one, two and three threads for a call, answers agree."""
    expected = {size: backend.answers(module(backend), {"x": rows(size)})["y0"] for size in SIZES}
    for threads in (1, 2, 3):
        model = backend.compile(module(backend), threads=threads)
        for size, wanted in expected.items():
            compare(f"y0 with {threads} threads", answer(model, size), wanted, 64)
        model.close()


def _close_while_called(backend: Backend) -> None:
    """Closing a model while other threads call it: each call is answered right or refused with a code."""
    model = backend.compile(module(backend))
    wanted = answer(model, 33)
    problems: list[str] = []
    begun = threading.Barrier(_WORKERS + 1)

    def call() -> None:
        begun.wait()
        try:
            for _ in range(_CALLS):
                if not np.array_equal(answer(model, 33), wanted):
                    problems.append("an answer is wrong")
        except RuntimeFailure:
            return

    threads = [threading.Thread(target=call) for _ in range(_WORKERS)]
    for thread in threads:
        thread.start()
    begun.wait()
    time.sleep(0.01)
    model.close()
    for thread in threads:
        thread.join()
    if problems:
        mismatch(problems[0])


def _many(backend: Backend) -> None:
    """Many models at a time, each with weights of its own, do not disturb each other."""
    models = [backend.compile(module(backend, seed)) for seed in range(_SESSIONS)]
    first: list[Array] = [answer(model, 7) for model in models]
    if any(np.array_equal(first[0], other) for other in first[1:]):
        mismatch("models with different weights give the same answer")
    for _ in range(5):
        for index, model in enumerate(models):
            expect(answer(model, 7), first[index], f"model {index} of {_SESSIONS}")
    for model in models[::2]:
        model.close()
    for index, model in list(enumerate(models))[1::2]:
        expect(answer(model, 7), first[index], f"model {index} after others were closed")
        model.close()


def _closed(backend: Backend) -> None:
    """A closed model refuses calls with a code; closing twice does no harm."""
    if backend.interpreted:
        raise Skip("an interpreted model has no code to unload")
    model = backend.compile(module(backend))
    answer(model, 1)
    model.close()
    model.close()
    try:
        answer(model, 1)
    except RuntimeFailure:
        return
    mismatch("a closed model still answers")


def _fork(backend: Backend) -> None:
    """A process that is forked after calls can call as well, and so can its parent afterwards."""
    if not hasattr(os, "fork"):
        raise Skip("this system does not fork")
    model = backend.model(module(backend))
    wanted = answer(model, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if np.array_equal(answer(model, 64), wanted) else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + _FORK_SECONDS
    found, status = 0, 0
    while found == 0 and time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if found == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
        mismatch(f"the child does not answer within {_FORK_SECONDS:g} s")
    if status != 0:
        mismatch(f"the child ended with {os.waitstatus_to_exitcode(status)} (2: a wrong answer)")
    expect(answer(model, 64), wanted, "the parent after the fork")
