"""The test run: settings from the options, cases from a worker, results from a pool of them."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import pytest

from tondo_conformance.declared import Declaration, read_declarations
from tondo_conformance.pool import Pool, Worker, WorkerFailed
from tondo_conformance.record import Record, record
from tondo_conformance.result import CaseInfo, Result
from tondo_conformance.settings import LEVELS, Settings

STARTS: Final = CaseInfo("L0/start/worker", "L0", "start", "worker", about="A process with the plugins comes up.")
"""The only case where listing the others fails."""


@dataclass(slots=True)
class Run:
    """One test run, or one process of it.

    Attributes:
        settings: what is tested.
        seconds: time that a case may take.
        jobs: how many workers run cases at a time.
        ahead: whether all cases may be begun, rather than only the one that is asked for.
        declarations: what the back end says it does not support.
        backend: facts about the back end, once cases were listed.
    """

    settings: Settings
    seconds: float
    jobs: int
    ahead: bool
    declarations: tuple[Declaration, ...] = ()
    backend: Mapping[str, object] = field(default_factory=dict[str, object])
    planned: list[CaseInfo] = field(default_factory=list[CaseInfo])
    _pool: Pool | None = None
    _listed: list[CaseInfo] | None = None
    _failed: Result | None = None
    _results: dict[str, Future[Result]] = field(default_factory=dict[str, "Future[Result]"])

    def cases(self) -> list[CaseInfo]:
        """Return the cases that the settings choose, as a worker lists them; the first case tells that it cannot."""
        if self._listed is None:
            worker = Worker(self.settings, self.seconds)
            try:
                self._listed, facts = worker.cases()
                self.backend = {**_machine(), **facts}
                if not self.declarations:
                    self.declarations = _declarations(str(facts.get("declared") or ""))
            except WorkerFailed as failed:
                self._listed, self._failed = [STARTS], failed.result
            finally:
                worker.close()
        return self._listed

    def record(self, info: CaseInfo) -> Record:
        """Return what came of ``info``; waits for it."""
        if self._failed is not None:
            return record(info, self._failed, ())
        if info.id not in self._results:
            self._submit(self.planned if self.ahead else [info])
        return record(info, self._results[info.id].result(), self.declarations)

    def _submit(self, cases: Iterable[CaseInfo]) -> None:
        if self._pool is None:
            self._pool = Pool(self.settings, self.seconds, self.jobs)
        new = [info for info in cases if info.id not in self._results]
        # Neighbours ask about one operator and element type: a worker compiles once for several of them.
        for _, group in itertools.groupby(new, key=lambda info: (info.level, info.group, info.dtype)):
            together = list(group)
            for info, future in zip(together, self._pool.submit(together), strict=True):
                self._results[info.id] = future

    def close(self) -> None:
        """End all workers."""
        if self._pool is not None:
            self._pool.close()


_KEY: Final = pytest.StashKey[Run]()


def run_of(config: pytest.Config) -> Run:
    """Return the run of ``config``, made when it is first asked for.

    Raises:
        UsageError: for options that make no sense.
    """
    run = config.stash.get(_KEY, None)
    if run is None:
        run = config.stash[_KEY] = _from_options(config)
    return run


def existing_run(config: pytest.Config) -> Run | None:
    """Return the run of ``config`` if there are cases in it."""
    return config.stash.get(_KEY, None)


def _from_options(config: pytest.Config) -> Run:
    def text(name: str) -> str:
        return cast("str", config.getoption(f"tondo_{name}") or "")

    file = text("config")
    if file and not Path(file).is_file():
        raise pytest.UsageError(f"--tondo-config: there is no file {file}")
    settings = Settings(
        target=text("target"),
        config=str(Path(file).resolve()) if file else "",
        plugin=text("plugin"),
        level=text("level"),
        select=text("select"),
        quick=bool(config.getoption("tondo_quick")),
    )
    distributed = hasattr(config, "workerinput")
    jobs = cast("int | None", config.getoption("tondo_jobs")) or min(4, _cores())
    seconds = cast("float", config.getoption("tondo_timeout"))
    if settings.level not in LEVELS or jobs < 1 or seconds <= 0:
        raise pytest.UsageError("--tondo-level is L0 to L4, --tondo-jobs and --tondo-timeout are positive")
    return Run(settings, seconds, 1 if distributed else jobs, not distributed, _declarations(text("declared")))


def _declarations(file: str) -> tuple[Declaration, ...]:
    if not file:
        return ()
    try:
        return read_declarations(Path(file))
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--tondo-declared: {error}") from None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _machine() -> dict[str, object]:
    return {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
