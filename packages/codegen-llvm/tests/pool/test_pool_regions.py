"""The pool runs every item once, whoever calls it and however the threads are scheduled."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BODY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def test_version(native: Any) -> None:
    assert native.version() == 1


@settings(derandomize=True, deadline=None, max_examples=60)
@given(count=st.integers(0, 300), grain=st.integers(-1, 40), threads=st.integers(-1, 6))
def test_every_item_runs_once(native: Any, count: int, grain: int, threads: int) -> None:
    handle = native.create(4)
    counters = np.zeros(max(count, 1), np.int32)
    status = native.parallel_for(handle, native.address("count_body"), counters.ctypes.data, count, grain, threads)
    native.destroy(handle)
    assert status == 0
    assert (counters[:count] == 1).all()


@pytest.mark.parametrize(("count", "grain"), [(64, 8), (4, 1), (7, 3), (1000, 1)])
def test_many_tiny_regions(native: Any, pool: int, count: int, grain: int) -> None:
    times = 100_000 if count < 100 else 2_000
    counters = np.zeros(count, np.int32)
    body = native.address("count_body")
    assert native.repeat(pool, body, counters.ctypes.data, count, grain, 4, times) == 0
    np.testing.assert_array_equal(counters, times)


def test_regions_after_sleep(native: Any, pool: int) -> None:
    """Workers that went to sleep are woken, and a region does not need them."""
    counters = np.zeros(64, np.int32)
    for _ in range(20):
        time.sleep(0.002)
        native.repeat(pool, native.address("count_body"), counters.ctypes.data, 64, 4, 4, 10)
    np.testing.assert_array_equal(counters, 200)


def test_concurrent_callers(native: Any, pool: int) -> None:
    callers, times = 3, 20_000
    counters = np.zeros((callers, 48), np.int32)
    body = native.address("count_body")

    def call(row: int) -> None:
        native.repeat(pool, body, counters[row].ctypes.data, 48, 5, 4, times)

    threads = [threading.Thread(target=call, args=(row,)) for row in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(counters, times)


def test_nested_regions(native: Any, pool: int) -> None:
    counters = np.zeros((24, 16), np.int32)
    closure = (ctypes.c_void_p * 2)(pool, counters.ctypes.data)
    assert native.repeat(pool, native.address("nested_body"), closure, 24, 1, 4, 2_000) == 0
    np.testing.assert_array_equal(counters, 2_000)


def test_first_failure_is_returned_and_stops_claiming(native: Any, pool: int) -> None:
    seen: list[int] = []
    count = 20_000

    def body(_: int, begin: int, end: int) -> int:
        seen.append(begin)
        if begin == 3 or end - begin == count:
            return 7
        time.sleep(0.0001)
        return 0

    callback = BODY(body)
    assert native.parallel_for(pool, ctypes.cast(callback, ctypes.c_void_p), None, count, 1, 4) == 7
    # Others go on until the third chunk has returned, which on a busy machine may take a while, but not to the end.
    assert len(seen) < count / 2
    # A failure leaves nothing behind.
    counters = np.zeros(64, np.int32)
    assert native.parallel_for(pool, native.address("count_body"), counters.ctypes.data, 64, 4, 4) == 0
    assert (counters == 1).all()


def test_chunks_do_not_overflow_at_the_end_of_int64(native: Any) -> None:
    ranges: list[tuple[int, int]] = []

    def body(_: int, begin: int, end: int) -> int:
        ranges.append((begin, end))
        return 0

    handle = native.create(2)
    count = 2**63 - 1
    callback = BODY(body)
    assert native.parallel_for(handle, ctypes.cast(callback, ctypes.c_void_p), None, count, 2**62, 2) == 0
    native.destroy(handle)
    assert sorted(ranges) == [(0, 2**62), (2**62, count)]


def test_without_pool_runs_inline(native: Any) -> None:
    counters = np.zeros(64, np.int32)
    assert native.parallel_for(None, native.address("count_body"), counters.ctypes.data, 64, 4, 4) == 0
    assert (counters == 1).all()


def test_destroy_at_every_moment_of_idleness(native: Any) -> None:
    """Workers may be starting, spinning or asleep when the pool goes away."""
    counters = np.zeros(16, np.int32)
    for pause in (0.0, 0.00002, 0.00005, 0.0002, 0.002):
        for _ in range(20):
            handle = native.create(4)
            native.parallel_for(handle, native.address("count_body"), counters.ctypes.data, 16, 1, 4)
            time.sleep(pause)
            native.destroy(handle)
    np.testing.assert_array_equal(counters, 100)
    native.destroy(None)


def test_thread_count_is_bounded(native: Any) -> None:
    for wish in (-3, 0, 1):
        handle = native.create(wish)
        assert handle
        native.destroy(handle)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_runs_regions_and_can_destroy_the_pool(native: Any) -> None:
    handle = native.create(4)
    counters = np.zeros(64, np.int32)
    native.parallel_for(handle, native.address("count_body"), counters.ctypes.data, 64, 4, 4)
    child = os.fork()
    if child == 0:
        status = native.parallel_for(handle, native.address("count_body"), counters.ctypes.data, 64, 4, 4)
        native.destroy(handle)
        os._exit(0 if status == 0 and (counters == 2).all() else 1)
    _, status = os.waitpid(child, 0)
    native.destroy(handle)
    assert os.waitstatus_to_exitcode(status) == 0


def test_work_is_shared_by_threads(native: Any) -> None:
    """With long chunks and two processors, more than one thread takes part."""
    takers: set[int] = set()
    slow = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        native.address("slow_body")
    )
    scratch = (ctypes.c_int64 * 1)()

    def body(_: int, begin: int, end: int) -> int:
        takers.add(threading.get_native_id())
        slow(ctypes.cast(scratch, ctypes.c_void_p), begin, end)
        return 0

    handle = native.create(2)
    callback = BODY(body)
    for _ in range(50):
        native.parallel_for(handle, ctypes.cast(callback, ctypes.c_void_p), None, 2000, 100, 2)
    native.destroy(handle)
    assert len(takers) == 2


def test_a_busy_machine_does_not_stop_regions(native: Any, pool: int) -> None:
    """Competing processes on every processor: a region may get slower, never by a scheduler's time slice each."""
    competitors = []
    for _ in range(2 * len(os.sched_getaffinity(0))):
        child = os.fork()
        if child == 0:
            end = time.monotonic() + 20
            while time.monotonic() < end:
                pass
            os._exit(0)
        competitors.append(child)
    try:
        counters = np.zeros(64, np.int32)
        times = 20_000
        begin = time.perf_counter()
        native.repeat(pool, native.address("count_body"), counters.ctypes.data, 64, 8, 4, times)
        elapsed = time.perf_counter() - begin
    finally:
        for child in competitors:
            os.kill(child, 9)
            os.waitpid(child, 0)
    np.testing.assert_array_equal(counters, times)
    print(f"{elapsed / times * 1e6:.2f} us per region beside {len(competitors)} busy processes")
