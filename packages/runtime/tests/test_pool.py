"""The shared pool: one per process and version, worker threads, fork, growth; thread count of the host."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tondo_runtime import Manifest, RuntimeFailure, Session, host, pool
from tondo_runtime.host import cgroup_quota, default_threads

Objects = Callable[[str], bytes]
Weights = dict[str, np.ndarray]


def number(session: Session, symbol: str) -> int:
    return ctypes.c_int32.from_address(session._code.address(symbol)).value


@pytest.fixture(scope="module")
def pooled(objects: Objects, ir: dict[str, str]) -> Callable[[Manifest, Weights, int], Session]:
    def make(manifest: Manifest, weights: Weights, threads: int, text: str = "axpy") -> Session:
        entries = tuple(replace(manifest.code[0], member=f"code/{index}.o") for index in range(2))
        code = {"code/0.o": objects(ir[text]), "code/1.o": objects(ir["pool"])}
        return Session(replace(manifest, code=entries), code, weights, threads)

    return make


def test_one_pool_serves_all_sessions_and_survives_the_first(
    pooled: Callable[..., Session], axpy_manifest: Manifest, weights: Weights
) -> None:
    first = pooled(axpy_manifest, weights, 2)
    source = first._source
    created = source.current()
    second = pooled(axpy_manifest, weights, 2)
    assert second._source is source
    assert source.current() is created
    assert created.capacity >= 2
    a = np.arange(1000, dtype=np.float32)
    expected = a + a * np.float32(2.5)
    np.testing.assert_array_equal(first(a, a), expected)
    first.close()
    del first
    np.testing.assert_array_equal(second(a, a), expected)
    second.close()


def test_more_threads_make_a_larger_pool(
    pooled: Callable[..., Session], axpy_manifest: Manifest, weights: Weights
) -> None:
    with pooled(axpy_manifest, weights, 2) as small, pooled(axpy_manifest, weights, 7) as large:
        assert small._source.current().capacity >= 7
        a = np.arange(1000, dtype=np.float32)
        np.testing.assert_array_equal(large(a, a), small(a, a))


def test_exception_on_a_worker_thread_reaches_the_caller(
    pooled: Callable[..., Session],
    foreign_manifest: Manifest,
    foreign_function: Callable[[Callable[..., object]], None],
) -> None:
    threads: set[int] = set()

    def broken(*_: object) -> None:
        threads.add(threading.get_native_id())
        if threading.get_native_id() != threading.main_thread().native_id:
            raise ValueError("on a worker")

    foreign_function(broken)
    session = pooled(foreign_manifest, {}, 2, "foreign_parallel")
    with session, pytest.raises(RuntimeFailure, match="ValueError: on a worker"):
        session(np.zeros(4, np.float32))
    assert len(threads) == 2


def test_sessions_and_threads_at_once(
    pooled: Callable[..., Session], axpy_manifest: Manifest, weights: Weights
) -> None:
    sessions = [pooled(axpy_manifest, weights, threads) for threads in (1, 2, 2)]

    def work(session: Session, seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            a = rng.standard_normal(int(rng.integers(1, 500))).astype(np.float32)
            np.testing.assert_array_equal(session(a, a), a + a * np.float32(2.5))

    with ThreadPoolExecutor(9) as executor:
        for future in [executor.submit(work, session, seed) for seed, session in enumerate(sessions * 3)]:
            future.result()
    for session in sessions:
        session.close()


def _in_child(session: Session, queue: object) -> None:
    before = session._source._pool is None
    a = np.arange(1000, dtype=np.float32)
    result = session(a, a)
    queue.put((before, session._source._pool is not None, bool(np.array_equal(result, a + a * np.float32(2.5)))))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_child_makes_its_own_pool(
    pooled: Callable[..., Session], axpy_manifest: Manifest, weights: Weights
) -> None:
    with pooled(axpy_manifest, weights, 2) as session:
        a = np.arange(1000, dtype=np.float32)
        session(a, a)
        parent = session._source.current()
        created = number(session, "test_created")
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        # Another thread holds the session's lock while the process forks.
        with session._memory._lock, session._source._lock:
            child = context.Process(target=_in_child, args=(session, queue))
            child.start()
        child.join(30)
        assert child.exitcode == 0
        assert queue.get() == (True, True, True)
        assert session._source.current() is parent
        assert number(session, "test_created") == created


def test_code_without_a_pool_runs_in_the_calling_thread(axpy: Session) -> None:
    assert axpy._source.current() == pool._INLINE
    assert axpy._source.current().handle == 0


def test_a_pool_that_cannot_be_made_is_a_plain_error() -> None:
    from tondo_runtime.abi import PoolCreate, PoolDestroy, address_of

    create = PoolCreate(lambda _: None)
    destroyed: list[int] = []
    destroy = PoolDestroy(destroyed.append)
    source = pool.PoolSource(address_of(create), address_of(destroy), 1)
    with pytest.raises(RuntimeFailure, match="cannot be made") as info:
        source.current()
    assert info.value.code == "TND-R003"
    working = PoolCreate(lambda threads: 4096 + threads)
    source = pool.PoolSource(address_of(working), address_of(destroy), 1)
    source.reserve(3)
    assert source.current().handle == 4099
    source.destroy()
    source.destroy()
    assert destroyed == [4099]


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "200000 100000"}, 0.5),
        ("0::/gone", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/../../x", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/", {"cpu.max": "garbage"}, None),
        (
            "3:cpu,cpuacct:/a",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        ("3:cpu,cpuacct:/a", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1.0),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("3:memory:/", {"memory/cpu.max": "100000 100000"}, None),
    ],
)
def test_cgroup_quota(tmp_path: Path, membership: str, files: dict[str, str], quota: float | None) -> None:
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "cgroup").write_text(membership + "\n")
    assert cgroup_quota(tmp_path / "cgroup", tmp_path / "root") == quota
    assert cgroup_quota(tmp_path / "none", tmp_path / "root") is None


def test_default_threads_follow_affinity_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for quota, threads in ((None, 8), (1.5, 2), (0.2, 1), (64.0, 8)):
        monkeypatch.setattr(host, "cgroup_quota", lambda quota=quota: quota)
        assert default_threads() == threads


def test_cpuinfo_flags_become_llvm_names() -> None:
    text = (
        "processor : 0\nflags\t\t: fpu pni sse4_1 sse4_2 avx2 bmi1 avx512_vnni avx512f amx_tile amx_bf16 sha_ni abm\n"
    )
    assert host.parse_cpuinfo(text) >= {
        "sse3",
        "sse4.1",
        "sse4.2",
        "avx2",
        "bmi",
        "avx512vnni",
        "avx512f",
        "amx-tile",
        "amx-bf16",
        "sha",
        "lzcnt",
    }
    assert host.parse_cpuinfo("Features\t: fp asimd asimddp i8mm sve2\n") >= {"neon", "dotprod", "i8mm", "sve2"}
    assert host.parse_cpuinfo("nothing") == frozenset()
