"""Profiles: records per kernel, lost records, Chrome trace."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np

from tondo_runtime import Profile, Session

A = np.arange(500, dtype=np.float32)


def test_profile_counts_every_kernel_of_every_call(axpy: Session) -> None:
    axpy(A, A)
    with axpy.profile() as profile:
        for _ in range(5):
            axpy(A, A)
    axpy(A, A)
    rows = {row.name: row for row in profile.table()}
    assert set(rows) == {"scale", "add"}
    assert all(row.count == 5 for row in rows.values())
    assert all(0 <= row.min_ns <= row.mean_ns <= row.max_ns <= row.total_ns for row in rows.values())
    calls = [event for event in profile.events if event.kernel is None]
    assert len(calls) == 5
    inside = sum(event.end_ns - event.begin_ns for event in profile.events if event.kernel is not None)
    assert inside <= sum(event.end_ns - event.begin_ns for event in calls)
    assert "scale" in profile.format()


def test_one_run_can_be_profiled_alone(axpy: Session) -> None:
    profile = Profile(axpy.manifest.kernels)
    axpy.run({"a": A, "b": A}, profile=profile)
    axpy.run({"a": A, "b": A})
    assert sorted(row.count for row in profile.table()) == [1, 1]


def test_records_beyond_the_capacity_are_counted_as_lost(axpy: Session) -> None:
    profile = Profile(axpy.manifest.kernels, capacity=1)
    axpy.run({"a": A, "b": A}, profile=profile)
    assert [row.name for row in profile.table()] == ["scale"]
    assert profile.lost == 1
    assert "1 executions did not fit" in profile.format()


def test_chrome_trace_nests_kernels_in_calls(axpy: Session, tmp_path: Path) -> None:
    with axpy.profile() as profile:
        thread = threading.Thread(target=axpy, args=(A, A))
        thread.start()
        thread.join()
        axpy(A, A)
    path = tmp_path / "trace.json"
    profile.to_chrome_trace(path)
    events = json.loads(path.read_text())["traceEvents"]
    assert [event["name"] for event in events] == ["call", "scale", "add"] * 2
    assert len({event["tid"] for event in events}) == 2
    for call, scale, add in (events[:3], events[3:]):
        assert call["ts"] <= scale["ts"] <= add["ts"]
        assert add["ts"] + add["dur"] <= call["ts"] + call["dur"] + 1e-3
        assert {event["ph"] for event in (call, scale, add)} == {"X"}


def test_empty_profile_formats() -> None:
    profile = Profile(())
    assert profile.table() == []
    assert "kernel" in profile.format()
