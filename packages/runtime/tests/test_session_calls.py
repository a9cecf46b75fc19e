"""Calls of a hand-written model: names, shapes, dtypes, layouts, outputs, memory."""

from __future__ import annotations

import gc
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo_runtime import RuntimeFailure, Session


def arrays(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(n).astype(np.float32), rng.standard_normal(n).astype(np.float32)


def expected(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b * np.float32(2.5)


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 1000])
def test_positional_named_and_mixed_agree_with_numpy(axpy: Session, n: int) -> None:
    a, b = arrays(n)
    for result in (axpy(a, b), axpy(a=a, b=b), axpy(a, b=b), axpy(b=b, a=a), axpy.run({"b": b, "a": a})["y"]):
        np.testing.assert_array_equal(result, expected(a, b))
        assert result.dtype == np.float32
        assert result.ctypes.data % 64 == 0


def test_results_of_successive_calls_do_not_share_memory(axpy: Session) -> None:
    a, b = arrays(100)
    first = axpy(a, b)
    kept = first.copy()
    second = axpy(b, a)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(second, expected(b, a))


def test_strided_and_misaligned_inputs_are_copied(axpy: Session) -> None:
    a, b = arrays(64)
    raw = np.zeros(64 * 4 + 1, np.uint8)
    odd = raw[1:].view(np.float32)
    odd[:] = b
    assert not odd.flags.aligned
    np.testing.assert_array_equal(axpy(np.repeat(a, 2)[::2], odd), expected(a, b))
    np.testing.assert_array_equal(axpy(a[::-1], b), expected(a[::-1], b))


def test_read_only_inputs_are_read_in_place(axpy: Session) -> None:
    a, b = arrays(64)
    a.flags.writeable = False
    np.testing.assert_array_equal(axpy(a, b), expected(a, b))


class Exchange:
    """A foreign tensor: nothing but DLPack."""

    def __init__(self, array: np.ndarray, device: tuple[int, int] = (1, 0)) -> None:
        self.array = array
        self.device = device

    def __dlpack__(self, *, stream: int | None = None) -> object:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


def test_dlpack_objects_are_accepted_and_released(axpy: Session) -> None:
    import sys

    a, b = arrays(64)
    before = sys.getrefcount(a)
    for _ in range(10):
        np.testing.assert_array_equal(axpy(Exchange(a), Exchange(b[::-1])), expected(a, b[::-1]))
    gc.collect()
    assert sys.getrefcount(a) == before


def test_dlpack_on_another_device_is_refused(axpy: Session) -> None:
    a, b = arrays(4)
    with pytest.raises(RuntimeFailure, match="device type 2") as info:
        axpy(Exchange(a, (2, 0)), b)
    assert info.value.code == "TND-U005"


def test_output_binding_writes_in_place(axpy: Session) -> None:
    a, b = arrays(64)
    out = np.full(64, np.nan, np.float32)
    results = axpy.run({"a": a, "b": b}, {"y": out})
    assert results["y"] is out
    np.testing.assert_array_equal(out, expected(a, b))
    frozen = np.empty(64, np.float32)
    frozen.flags.writeable = False
    refusals = {
        "TND-U002": np.empty(63, np.float32),
        "TND-U003": np.empty(64, np.float64),
        "TND-U005": frozen,
    }
    for code, array in refusals.items():
        with pytest.raises(RuntimeFailure, match=r"the output (array )?'y'") as info:
            axpy.run({"a": a, "b": b}, {"y": array})
        assert info.value.code == code
    with pytest.raises(RuntimeFailure, match="shares memory"):
        axpy.run({"a": a, "b": b}, {"y": a})
    with pytest.raises(RuntimeFailure, match="cannot be written in place"):
        axpy.run({"a": a, "b": b}, {"y": np.empty(128, np.float32)[::2]})
    with pytest.raises(RuntimeFailure, match="no output 'z'") as info:
        axpy.run({"a": a, "b": b}, {"z": out})
    assert info.value.code == "TND-U001"


@pytest.mark.parametrize(
    ("args", "named", "code", "text"),
    [
        ((), {}, "TND-U004", "the input 'a' is missing"),
        (("a",), {}, "TND-U004", "the input 'b' is missing"),
        (("a", "b", "a"), {}, "TND-U005", "3 inputs were given, the model has 2: 'a', 'b'"),
        ((), {"a": "a", "bb": "b"}, "TND-U001", "the model has no input 'bb'"),
        (("a", "b"), {"c": "b"}, "TND-U001", "the model has no input 'c'"),
        (("a",), {"a": "a", "b": "b"}, "TND-U005", "given twice"),
        ((), {"a": "a", "b": 3.0}, "TND-U005", "the input 'b' is a float, not an array"),
        ((), {"a": "a", "b": "wide"}, "TND-U003", "element type float64, the model expects float32"),
        ((), {"a": "a", "b": "swapped"}, "TND-U003", "foreign byte order"),
        ((), {"a": "a", "b": "long"}, "TND-U002", r"shape \(5,\), the model expects \(n,\)"),
        ((), {"a": "a", "b": "matrix"}, "TND-U002", "2 dimensions instead of 1"),
        ((), {"a": "none", "b": "none"}, "TND-U002", "dimension 0 of 'a' is 0, 'n' has to be at least 1"),
    ],
)
def test_refusals_name_place_reason_and_next_step(
    axpy: Session, args: tuple[str, ...], named: dict[str, object], code: str, text: str
) -> None:
    known = {
        "a": np.zeros(4, np.float32),
        "b": np.zeros(4, np.float32),
        "wide": np.zeros(4),
        "swapped": np.zeros(4, ">f4"),
        "long": np.zeros(5, np.float32),
        "matrix": np.zeros((4, 1), np.float32),
        "none": np.zeros(0, np.float32),
    }
    with pytest.raises(RuntimeFailure, match=text) as info:
        axpy(*[known[name] for name in args], **{k: known.get(v, v) for k, v in named.items()})
    assert info.value.code == code
    assert str(info.value).startswith(f"error[{code}]: ")


def test_typo_gets_a_suggestion_and_unequal_symbols_are_explained(axpy: Session) -> None:
    a, b = arrays(4)
    with pytest.raises(RuntimeFailure, match="no input"):
        axpy(a, B=b)
    with pytest.raises(RuntimeFailure) as info:
        axpy(a, arrays(5)[1])
    assert "dimension 0 is 5 instead of 4 ('n' is 4 by dimension 0 of 'a')" in info.value.notes


def test_memory_stays_flat_over_random_shapes(axpy: Session) -> None:
    rng = np.random.default_rng(1)
    a, b = arrays(5000)

    def call(times: int) -> None:
        for n in rng.integers(1, 5000, times):
            axpy(a[:n], b[:n])

    call(500)
    gc.collect()
    before = _resident()
    call(2000)
    gc.collect()
    assert _resident() - before < 8 << 20
    assert len(axpy._memory.plans) <= 32


def test_the_arena_of_a_large_call_goes_when_its_shapes_are_forgotten(axpy: Session) -> None:
    a, b = arrays(100_000)
    axpy(a, b)
    assert [arena.size for arena in axpy._memory.arenas] == [400_000]
    for n in range(1, 32):
        axpy(a[:n], b[:n])
    assert [arena.size for arena in axpy._memory.arenas] == [400_000]
    for n in range(32, 64):
        axpy(a[:n], b[:n])
    assert [arena.size for arena in axpy._memory.arenas] <= [4 * 63]
    axpy.close()
    assert axpy._memory.arenas == []


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_threads_share_one_session(axpy: Session) -> None:
    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(100):
            a, b = arrays(int(rng.integers(1, 300)), seed)
            np.testing.assert_array_equal(axpy(a, b), expected(a, b))

    with ThreadPoolExecutor(12) as executor:
        list(executor.map(work, range(12)))
    assert len(axpy._memory.arenas) <= 8
    assert all(len(plan.idle) <= 8 for plan in axpy._memory.plans.values())


@settings(derandomize=True, deadline=None, max_examples=60)
@given(n=st.integers(1, 400), step=st.integers(-3, 3).filter(bool), seed=st.integers(0, 99))
def test_any_stride_gives_the_same_result(shared_axpy: Session, n: int, step: int, seed: int) -> None:
    a, b = arrays(n * abs(step), seed)
    np.testing.assert_array_equal(shared_axpy(a[::step], b[::step]), expected(a[::step], b[::step]))


def test_closed_session_refuses_and_close_is_idempotent(axpy: Session) -> None:
    a, b = arrays(4)
    axpy(a, b)
    axpy.close()
    axpy.close()
    with pytest.raises(RuntimeFailure, match="closed") as info:
        axpy(a, b)
    assert info.value.code == "TND-R003"


@pytest.mark.parametrize("threads", [0, -1, 5000, True, "2"])
def test_thread_count_is_checked(axpy: Session, threads: object) -> None:
    with pytest.raises(RuntimeFailure, match="threads is") as info:
        Session(axpy.manifest, {}, {}, threads)
    assert info.value.code == "TND-U005"
