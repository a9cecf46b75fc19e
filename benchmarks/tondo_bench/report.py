"""Tables for people; the same content as JSON comes from the dataclasses themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tondo_bench.contest import NOT_OFFERED, OURS, REFERENCE, Result
from tondo_bench.figures import geometric_mean
from tondo_bench.roofline import Judged, below, large

_NOISY = 0.1


def latency_table(results: Sequence[Result], engines: Sequence[str]) -> Table:
    """Return a row per model: times of every engine, the ratio, the difference."""
    table = Table(title="latency of one call, median (best) in ms; ratio: fastest of onnxruntime, OpenVINO / tondo")
    table.add_column("model", no_wrap=True)
    table.add_column("thr", justify="right")
    for engine in engines:
        table.add_column(engine, justify="right", no_wrap=True)
    for title in ("ratio", "by round", "inductor", "spread", "differs by"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        table.add_row(*_row(result, engines))
    return table


def compile_table(results: Sequence[Result], engines: Sequence[str]) -> Table:
    """Return a row per model: seconds from nothing to a model that can be called."""
    table = Table(title="seconds until a model can be called, imports included")
    for title in ("model", "thr", "tondo cold", "tondo warm", *(name for name in engines if name != OURS)):
        table.add_column(title, justify="left" if title == "model" else "right")
    for result in results:
        opened = [_seconds(result.open_seconds.get(name)) for name in engines if name != OURS]
        cold, warm = _seconds(result.cold_seconds), _seconds(result.open_seconds.get(OURS))
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


def roofline_lines(models: Mapping[str, Sequence[Judged]]) -> Iterable[str]:
    """Yield how many of the large kernels reach 80 % of the peak, and the names of those that do not."""
    everything = [(name, kernel) for name, judged in models.items() for kernel in large(list(judged))]
    slow = [(name, kernel) for name, judged in models.items() for kernel in below(list(judged))]
    if everything:
        reached = len(everything) - len(slow)
        yield (
            f"dense kernels over 50 MFLOP that reach 80 % of the peak: {reached} of {len(everything)} "
            f"({reached / len(everything):.0%})"
        )
    for name, kernel in slow:
        yield f"  below: {name} {kernel.name}, {kernel.flops / 1e6:.0f} MFLOP, {kernel.share:.0%}"


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


def _row(result: Result, engines: Sequence[str]) -> list[str]:
    times = [result.times.get(engine) for engine in engines]
    cells = [f"{each.median:.2f} ({each.min:.2f})" if each else "-" for each in times]
    ratio = result.ratio
    spread = max((each.spread for each in times if each), default=0.0)
    inductor = result.others.get("inductor")
    difference = result.differences.get(OURS)
    return [
        result.name,
        str(result.threads),
        *cells,
        f"{ratio.value:.2f}" if ratio else "-",
        f"{ratio.low:.2f}..{ratio.high:.2f}" if ratio else "-",
        f"{inductor:.2f}" if inductor is not None else "-",
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


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
