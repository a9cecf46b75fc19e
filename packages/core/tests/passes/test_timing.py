"""Spans: nesting, facts, lanes, the table, the trace."""

from __future__ import annotations

import json
import time

import pytest

from tondo.passes import Timing


def test_spans_nest_and_the_root_is_the_sum():
    timing = Timing("all")
    with timing.measure("a"):
        timing.begin("b")
        timing.note(functions=3, distinct=2)
        timing.end()
    with timing.measure("c"):
        pass
    assert [(depth, span.name) for depth, span in timing.root.walk()] == [(0, "all"), (1, "a"), (2, "b"), (1, "c")]
    assert timing.root.seconds == sum(part.seconds for part in timing.root.parts)
    assert timing.root.parts[0].parts[0].facts == {"functions": 3, "distinct": 2}
    assert timing.table().splitlines()[2].endswith("    b  (functions 3, distinct 2)")


def test_what_an_exception_leaves_open_is_closed():
    def interrupted(timing):
        with timing.measure("a"):
            timing.begin("b")
            raise KeyError

    timing = Timing()
    with pytest.raises(KeyError):
        interrupted(timing)
    timing.begin("c")
    timing.end()
    assert [span.name for span in timing.root.parts] == ["a", "c"]


def test_lanes_run_side_by_side(tmp_path):
    now = time.perf_counter()
    timing = Timing("all", now - 1.0)
    timing.record("start", now - 1.0, now)
    with timing.measure("code"):
        timing.record("slow", now, now + 3.0, "thread 1", bytes=5)
        timing.record("quick", now, now + 2.0, "thread 0")
    assert [span.name for span in timing.in_lanes()] == ["slow", "quick"]
    assert "slow" not in timing.table()
    assert 1.0 <= timing.root.seconds < 3.0
    assert timing.root.parts[1].parts[0].as_json() == {
        "name": "slow",
        "seconds": pytest.approx(3.0),
        "begin": pytest.approx(1.0),
        "lane": "thread 1",
        "facts": {"bytes": 5},
    }
    timing.to_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    rows = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert rows == {0: "all", 1: "thread 1", 2: "thread 0"}
    slow = next(event for event in events if event["name"] == "slow")
    assert (slow["tid"], slow["args"]) == (1, {"bytes": 5})
    assert slow["dur"] == pytest.approx(3e6)
