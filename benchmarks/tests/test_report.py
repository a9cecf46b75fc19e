"""Tables and lines from results made by hand."""

from __future__ import annotations

from rich.console import Console

from tondo_bench import report
from tondo_bench.contest import NOT_OFFERED, Result
from tondo_bench.figures import Ratio, Summary
from tondo_bench.roofline import Judged

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


def test_kernels_below_the_line_are_listed():
    fast = Judged("fast", "dense", 1, 10**8, 10**6, 90.0, 1.0, "compute", 0.9, 1e-3)
    slow = Judged("slow", "dense", 1, 10**8, 10**6, 50.0, 1.0, "compute", 0.5, 2e-3)
    lines = list(report.roofline_lines({"net": [fast, slow]}))
    assert lines == [
        "dense kernels over 50 MFLOP that reach 80 % of the peak: 1 of 2 (50%)",
        "  below: net slow, 100 MFLOP, 50%",
    ]
    found = {"peak_flops": 1e11, "peak_bytes": 1e10, "call_seconds": 3e-3}
    text = shown(report.roofline_table("net", [fast, slow], found, 10))
    assert "slow" in text
    assert "66.7 of 100.0 GFLOP/s (67%), 0.7 of 10.0 GB/s (7%)" in text
    assert list(report.roofline_lines({})) == []
