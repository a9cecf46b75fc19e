"""Tables for people; the same content as JSON comes from the dataclasses themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tondo_bench.contest import NOT_OFFERED, OURS, REFERENCE, RIVALS, Result
from tondo_bench.figures import geometric_mean
from tondo_bench.roofline import Judged
from tondo_bench.summary import KERNEL_SHARE, SMALLEST, Promise, Summary, threads_of

_NOISY = 0.1
_WIDE = 200


def latency_table(results: Sequence[Result], engines: Sequence[str]) -> Table:
    """Return a row per model: times of every engine, the ratio, the difference."""
    rivals = " and ".join(name for name in engines if name in RIVALS)
    table = Table(title=f"latency of one call, median (best) in ms; ratio: the faster one of {rivals} / tondo")
    table.add_column("model", no_wrap=True)
    table.add_column("thr", justify="right")
    for engine in engines:
        table.add_column(engine, justify="right", no_wrap=True)
    beside = [engine for engine in engines if engine not in {OURS, *RIVALS}]
    for title in ("ratio", "by round", *(f"{engine} / tondo" for engine in beside), "spread", "differs by"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        table.add_row(*_row(result, engines, beside))
    return table


def summary_table(summary: Summary) -> Table:
    """Return a row per model: ratios by threads, speed-up, difference, start, shares of the peaks."""
    counts = threads_of(summary.models)
    means = ", ".join(f"{mean:.3f} with {threads}" for threads, mean in summary.means.items())
    table = Table(title=f"all models; geometric mean of the ratios by threads: {means or 'not measured'}")
    table.add_column("model", no_wrap=True)
    titles = [*(f"ratio, {threads} thr" for threads in counts), "speed-up", "differs by", "cold s", "warm s"]
    for title in (*titles, "of FLOP peak", "of bandwidth", "GB/s"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in summary.models:
        cells = [_marked(row.ratios.get(threads)) for threads in counts]
        table.add_row(
            row.name,
            *cells,
            _number(row.speed_up, ".2f"),
            _number(row.difference, ".1e"),
            _number(row.cold_seconds, ".2f"),
            _number(row.warm_seconds, ".2f"),
            _number(row.flops_share, ".0%"),
            _number(row.bytes_share, ".0%"),
            _number(row.gbytes, ".1f"),
        )
    return table


def promise_table(promises: Sequence[Promise]) -> Table:
    """Return a row per promise: what, how much, what was found, whether it holds."""
    table = Table(title="promises")
    for title in ("what", "wanted", "found", "holds"):
        table.add_column(title, overflow="fold")
    for promise in promises:
        holds = {True: "yes", False: "NO", None: "open"}[promise.holds]
        table.add_row(promise.what, promise.wanted, promise.found, holds)
    return table


def slow_kernel_table(slow: Mapping[str, Sequence[Judged]]) -> Table:
    """Return a row per large dense kernel below the line, with its size and what its facts tell."""
    table = Table(title=f"dense kernels over 50 MFLOP below {KERNEL_SHARE:.0%} of the peak, one core")
    for title in ("model", "kernel", "rows x columns x depth", "MFLOP", "ms", "of peak", "reason"):
        table.add_column(title, justify="right" if title in {"MFLOP", "ms", "of peak"} else "left", overflow="fold")
    for name, kernels in slow.items():
        for kernel in kernels:
            figures = (f"{kernel.flops / 1e6:.0f}", f"{kernel.seconds * 1e3:.3f}", f"{kernel.share:.0%}")
            table.add_row(name, kernel.name, kernel.shape, *figures, kernel.reason)
    return table


def make_console() -> Console:
    """Return a console for standard output; wide where no terminal limits it, so that no table is cut."""
    fits = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console() if fits else Console(width=_WIDE)


def compile_table(results: Sequence[Result], engines: Sequence[str]) -> Table:
    """Return a row per model: seconds from nothing to a model that can be called."""
    table = Table(title="seconds until a model can be called, imports included")
    for title in ("model", "thr", "tondo cold", "tondo warm", *(name for name in engines if name != OURS)):
        table.add_column(title, justify="left" if title == "model" else "right")
    for result in results:
        opened = [_number(result.open_seconds.get(name), ".2f") for name in engines if name != OURS]
        cold, warm = _number(result.cold_seconds, ".2f"), _number(result.open_seconds.get(OURS), ".2f")
        table.add_row(result.name, str(result.threads), cold, warm, *opened)
    return table


def summary_lines(results: Sequence[Result]) -> Iterable[str]:
    """Yield the figures over all models, one line per number of threads, and the speed-up by more threads."""
    counts = sorted({result.threads for result in results})
    for threads in counts:
        chosen = [result for result in results if result.threads == threads]
        yield from _means(threads, chosen)
    yield from _speed_ups(results, counts)
    differences = [value for result in results for name, value in result.differences.items() if name == OURS]
    if differences:
        yield f"largest difference from {REFERENCE}: {max(differences):.1e} of the output's range"
    for result in results:
        for engine, reason in result.failed.items():
            if reason.startswith(NOT_OFFERED):
                continue
            yield f"{result.name}, {result.threads} threads, {engine}: {' '.join(reason.split())[:240]}"


def ratios(results: Iterable[Result]) -> dict[str, float]:
    """Return the ratio of each model that has one."""
    return {result.name: result.ratio.value for result in results if result.ratio is not None}


def roofline_table(name: str, judged: Sequence[Judged], report: Mapping[str, object], rows: int) -> Table:
    """Return the kernels of one model that take most of its time."""
    flops, moved, call = (float(str(report[key])) for key in ("peak_flops", "peak_bytes", "call_seconds"))
    computed = sum(kernel.flops * kernel.executions for kernel in judged) / call
    read = sum(kernel.bytes * kernel.executions for kernel in judged) / call
    title = (
        f"{name}, one core: {call * 1e3:.2f} ms; {computed / 1e9:.1f} of {flops / 1e9:.1f} GFLOP/s "
        f"({computed / flops:.0%}), {read / 1e9:.1f} of {moved / 1e9:.1f} GB/s ({read / moved:.0%})"
    )
    table = Table(title=title)
    for column in ("kernel", "kind", "times", "MFLOP", "ms", "GFLOP/s", "GB/s", "bound", "of limit"):
        table.add_column(column, justify="left" if column in {"kernel", "kind", "bound"} else "right", no_wrap=True)
    for kernel in judged[:rows]:
        table.add_row(
            kernel.name,
            kernel.kind,
            str(kernel.executions),
            f"{kernel.flops / 1e6:.1f}",
            f"{kernel.seconds * 1e3:.3f}",
            f"{kernel.gflops:.1f}",
            f"{kernel.gbytes:.1f}",
            kernel.bound,
            f"{kernel.share:.0%}",
        )
    return table


def micro_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Return one row per cost in microseconds."""
    table = Table(title="costs without arithmetic, microseconds")
    table.add_column("what")
    table.add_column("", justify="right")
    for what, values in rows.items():
        table.add_row(what, ", ".join(f"{key.removesuffix('_us')} {value:.2f}" for key, value in values.items()))
    return table


def show(console: Console, *items: Table | str) -> None:
    """Print tables and lines."""
    for item in items:
        console.print(item, highlight=False)


def _row(result: Result, engines: Sequence[str], beside: Sequence[str]) -> list[str]:
    times = [result.times.get(engine) for engine in engines]
    cells = [f"{each.median:.2f} ({each.min:.2f})" if each else "-" for each in times]
    ratio = result.ratio
    spread = max((each.spread for each in times if each), default=0.0)
    difference = result.differences.get(OURS)
    return [
        result.name,
        str(result.threads),
        *cells,
        f"{ratio.value:.2f}" if ratio else "-",
        f"{ratio.low:.2f}..{ratio.high:.2f}" if ratio else "-",
        *(_number(result.others.get(engine), ".2f") for engine in beside),
        f"{spread:.0%}{'!' if spread > _NOISY else ''}",
        f"{difference:.1e}" if difference is not None else "-",
    ]


def _means(threads: int, results: Sequence[Result]) -> Iterable[str]:
    found = ratios(results)
    mean = geometric_mean(found.values())
    if mean is None:
        return
    worst = min(found, key=lambda name: found[name])
    smallest = f"smallest {found[worst]:.2f} ({worst})"
    yield f"{threads} threads: geometric mean {mean:.3f} over {len(found)} models, {smallest}"
    inductor = geometric_mean(result.others["inductor"] for result in results if "inductor" in result.others)
    if inductor is not None:
        yield f"{threads} threads: geometric mean {inductor:.3f} against inductor, where it runs"


def _speed_ups(results: Sequence[Result], counts: Sequence[int]) -> Iterable[str]:
    if len(counts) < 2:
        return
    times = {(result.name, result.threads): result.times[OURS].median for result in results if OURS in result.times}
    few, many = counts[0], counts[-1]
    names = [name for name, threads in times if threads == few and (name, many) in times]
    if names:
        each = ", ".join(f"{name} {times[name, few] / times[name, many]:.2f}" for name in names)
        yield f"tondo, {many} threads against {few}: {each}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _marked(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}{'!' if ratio < SMALLEST else ''}"
