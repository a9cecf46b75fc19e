"""Memory of results: used again, never while somebody looks at it."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tondo_runtime import Session
from tondo_runtime.results import SMALLEST, ResultMemory

FLOAT = np.dtype(np.float32)
COUNT = SMALLEST // 4


def test_a_block_comes_back_when_the_last_view_is_gone() -> None:
    memory = ResultMemory()
    memory.expect(SMALLEST)
    first, address = memory.take((COUNT,), FLOAT, SMALLEST)
    assert first.ctypes.data == address
    assert address % 64 == 0
    part = first.reshape(2, -1)[1:, ::2]
    del first
    second, other = memory.take((COUNT,), FLOAT, SMALLEST)
    assert other != address
    assert not np.shares_memory(part, second)
    del part
    assert len(memory.back) == 1
    third, again = memory.take((COUNT,), FLOAT, SMALLEST)
    assert again == address
    assert not np.shares_memory(second, third)


def test_views_through_other_protocols_hold_the_block() -> None:
    memory = ResultMemory()
    memory.expect(SMALLEST)
    array, address = memory.take((COUNT,), FLOAT, SMALLEST)
    array[:] = 7
    held = [memoryview(array), np.from_dlpack(array), np.asarray(array).view(np.uint8)]
    del array
    while held:
        _, other = memory.take((COUNT,), FLOAT, SMALLEST)
        assert other != address
        held.pop()
    _, last = memory.take((COUNT,), FLOAT, SMALLEST)
    assert last == address


def test_idle_memory_is_bounded() -> None:
    memory = ResultMemory()
    memory.expect(SMALLEST)
    results = [memory.take((COUNT * factor,), FLOAT, SMALLEST * factor)[0] for factor in (1, 1, 1, 1, 2, 4, 8)]
    results.clear()
    memory.take((COUNT,), FLOAT, SMALLEST)
    assert memory.idle <= 2 * SMALLEST


def test_after_close_nothing_is_kept() -> None:
    memory = ResultMemory()
    memory.expect(SMALLEST)
    array, _ = memory.take((COUNT,), FLOAT, SMALLEST)
    memory.close()
    del array
    memory.take((COUNT,), FLOAT, SMALLEST)
    assert memory.idle == 0


def test_large_results_of_a_session_use_memory_again(axpy: Session) -> None:
    a = np.arange(COUNT * 4, dtype=np.float32)
    first = axpy(a, a)
    address = first.ctypes.data
    kept = first[10:20]
    del first
    second = axpy(a, a)
    assert second.ctypes.data != address
    np.testing.assert_array_equal(kept, a[10:20] * np.float32(3.5))
    del kept, second
    gc.collect()
    seen = {axpy(a, a).ctypes.data for _ in range(6)}
    assert len(seen) == 1


def test_results_of_calls_side_by_side_are_their_own(axpy: Session) -> None:
    def call(seed: int) -> bool:
        a = np.full(COUNT * 2, seed, np.float32)
        return all(bool((axpy(a, a) == np.float32(seed) * np.float32(3.5)).all()) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(1, 17)))
