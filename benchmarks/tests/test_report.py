"""Tables and lines from results made by hand."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from tondo_bench import report
from tondo_bench.contest import NOT_OFFERED, Result
from tondo_bench.figures import Ratio, Summary
from tondo_bench.roofline import Judged
from tondo_bench.summary import summarize

ENGINES = ("tondo", "onnxruntime", "openvino")


def result(name="net", threads=1, ours=1.0, theirs=2.0, **more):
    times = {"tondo": Summary.of([ours / 1e3]), "onnxruntime": Summary.of([theirs / 1e3])}
    ratio = Ratio(theirs / ours, 1.9, 2.1, "onnxruntime")
    return Result(name, threads, times=times, ratio=ratio, differences={"tondo": 2e-6}, **more)


def shown(*items):
    console = Console(width=200, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    report.show(console, *items)
    console.file.close()
    return console.export_text()


def test_a_row_has_times_ratio_and_difference():
    text = shown(report.latency_table([result()], ENGINES))
    for word in ("net", "1.00 (1.00)", "2.00 (2.00)", "1.90..2.10", "2.0e-06"):
        assert word in text


def test_a_noisy_row_is_marked():
    noisy = result()
    noisy.times["tondo"] = Summary.of([1e-3, 2e-3, 3e-3])
    assert "50%!" in shown(report.latency_table([noisy], ENGINES))


def test_compile_times():
    text = shown(report.compile_table([result(cold_seconds=9.5, open_seconds={"tondo": 0.75})], ENGINES))
    assert "9.50" in text
    assert "0.75" in text


def test_summary_over_models_and_threads():
    results = [
        result("a", 1, 1.0, 2.0),
        result("b", 1, 4.0, 2.0, others={"inductor": 1.5}),
        result("a", 2, 0.5, 1.0),
        Result("c", 1, failed={"openvino": "it broke", "inductor": f"{NOT_OFFERED}: no such module"}),
    ]
    lines = list(report.summary_lines(results))
    assert "1 threads: geometric mean 1.000 over 2 models, smallest 0.50 (b)" in lines
    assert "1 threads: geometric mean 1.500 against inductor, where it runs" in lines
    assert "tondo, 2 threads against 1: a 2.00" in lines
    assert "c, 1 threads, openvino: it broke" in lines
    assert not any("no such module" in line for line in lines)


def test_an_engine_beside_the_rivals_has_a_ratio_of_its_own():
    engines = (*ENGINES, "inductor")
    text = shown(report.latency_table([result(others={"inductor": 1.5})], engines))
    assert "inductor / tondo" in text
    assert "1.50" in text
    assert "inductor" not in shown(report.latency_table([result()], ENGINES))


def test_kernels_below_the_line_are_listed():
    fast = Judged("fast", "dense", 1, 10**8, 10**6, 90.0, 1.0, "compute", 0.9, 1e-3)
    slow = Judged("slow", "dense", 1, 10**8, 10**6, 50.0, 1.0, "compute", 0.5, 2e-3, "5x6x7", "5 rows")
    found = {"peak_flops": 1e11, "peak_bytes": 1e10, "call_seconds": 3e-3}
    text = shown(report.roofline_table("net", [fast, slow], found, 10))
    assert "slow" in text
    assert "66.7 of 100.0 GFLOP/s (67%), 0.7 of 10.0 GB/s (7%)" in text
    summary = summarize([], {"net": [fast, slow]}, {"net": found})
    text = shown(report.slow_kernel_table(summary.slow_kernels))
    for word in ("slow", "5x6x7", "100", "50%", "5 rows"):
        assert word in text
    assert "fast" not in text


def test_the_summary_answers_in_one_look():
    results = [
        result("resnet50", 1, 10.0, 20.0, cold_seconds=9.0, open_seconds={"tondo": 0.7}),
        result("resnet50", 2, 5.5, 11.0, cold_seconds=8.0, open_seconds={"tondo": 0.6}),
        result("slow", 1, 10.0, 8.0),
    ]
    stream = Judged("gemv", "dense", 1, 10**6, 10**7, 1.0, 10.0, "memory", 0.9, 1e-3)
    peaks = {"decode": {"peak_flops": 1e11, "peak_bytes": 1e10, "call_seconds": 1.1e-3}}
    summary = summarize(results, {"decode": [stream]}, peaks)
    text = shown(report.summary_table(summary), report.promise_table(summary.promises))
    for word in ("2.00", "0.80!", "1.82", "91%", "9.1", "geometric mean of the ratios by threads: 1.265 with 1, 2.000"):
        assert word in text
    holds = {promise.what: promise.holds for promise in summary.promises}
    assert holds == {
        "geometric mean of the ratios, 1 thread": True,
        "geometric mean of the ratios, 2 threads": True,
        "no model slower than": False,
        "dense kernels over 50 MFLOP at 80% of the peak or more, 1 thread": None,
        "speed-up by more threads, resnet50 and bert_base": True,
        "models that memory limits: share of the read bandwidth, 1 thread": True,
        "cold start, nothing in the cache": True,
        "warm start, from the cache": True,
        "difference from the reference, share of the output's range": True,
    }
    found = json.loads(json.dumps(summary.as_json()))
    assert found["geometric_mean"] == {"1": pytest.approx(1.265, abs=1e-3), "2": 2.0}
    assert [row["name"] for row in found["models"]] == ["resnet50", "slow", "decode"]
    assert found["models"][2]["streams"] is True


def test_nothing_measured_is_no_promise_kept():
    summary = summarize([], {}, {})
    assert {promise.holds for promise in summary.promises} == {None}


def test_tables_are_whole_where_no_terminal_limits_them(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert report.make_console().width >= 200
    monkeypatch.setenv("COLUMNS", "90")
    assert report.make_console().width == 90
