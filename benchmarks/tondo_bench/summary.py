"""All figures of a run in one look: a row per model, and each promise beside what was found.

A promise is a sentence with a number that a release keeps on an idle machine. Whether it holds is only said where it
was measured: the others are open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from tondo_bench.contest import OURS, Result
from tondo_bench.figures import geometric_mean
from tondo_bench.roofline import Judged, below, large

MEAN: Final = 1.15
SMALLEST: Final = 0.9
KERNEL_SHARE: Final = 0.8
KERNELS: Final = 0.9
SPEED_UP: Final = 1.7
SPEED_UP_OF: Final = ("resnet50", "bert_base")
STREAM: Final = 0.8
COLD: Final[Mapping[str, float]] = {"resnet50": 15.0, "bert_base": 20.0}
WARM: Final = 1.5
DIFFERENCE: Final = 1e-4


@dataclass(slots=True)
class ModelRow:
    """What was found of one model.

    Attributes:
        name: of the case.
        ratios: number of threads to the ratio of the fastest rival to Tondo.
        rivals: number of threads to the name of that rival.
        speed_up: time with the fewest threads divided by that with the most; None with one number of threads.
        difference: largest difference from the reference, as a share of the output's range.
        cold_seconds: until a model can be called, nothing in the cache, with the most threads.
        warm_seconds: the same from the cache.
        flops_share: operations per second as a share of the measured peak, one core.
        bytes_share: bytes per second as a share of the measured read bandwidth, one core.
        gbytes: these bytes, 10^9 per second.
    """

    name: str
    ratios: dict[int, float] = field(default_factory=dict)
    rivals: dict[int, str] = field(default_factory=dict)
    speed_up: float | None = None
    difference: float | None = None
    cold_seconds: float | None = None
    warm_seconds: float | None = None
    flops_share: float | None = None
    bytes_share: float | None = None
    gbytes: float | None = None

    @property
    def streams(self) -> bool:
        """Whether memory limits the model as a whole."""
        return self.bytes_share is not None and self.flops_share is not None and self.bytes_share > self.flops_share


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise: what, how much, what was found, and whether that is enough; None if it was not measured."""

    what: str
    wanted: str
    found: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The rows, the means by number of threads, the promises and the kernels below the line."""

    models: Sequence[ModelRow]
    means: Mapping[int, float]
    promises: Sequence[Promise]
    slow_kernels: Mapping[str, Sequence[Judged]]

    def as_json(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "models": [{**asdict(row), "streams": row.streams} for row in self.models],
            "geometric_mean": {str(threads): value for threads, value in self.means.items()},
            "promises": [asdict(promise) for promise in self.promises],
            "slow_kernels": [
                {"model": name, **asdict(kernel)} for name, kernels in self.slow_kernels.items() for kernel in kernels
            ],
        }


def summarize(
    results: Sequence[Result],
    judged: Mapping[str, Sequence[Judged]],
    reports: Mapping[str, Mapping[str, object]],
) -> Summary:
    """Return the summary.

    Args:
        results: of the latency, one per model and number of threads.
        judged: kernels of each model.
        reports: what the kernels were judged from: peaks and the time of a call.
    """
    rows = _rows(results, judged, reports)
    counts = sorted({result.threads for result in results})
    means = {
        threads: geometric_mean(row.ratios[threads] for row in rows if threads in row.ratios) for threads in counts
    }
    known = {threads: mean for threads, mean in means.items() if mean is not None}
    slow = {name: below(list(kernels), KERNEL_SHARE) for name, kernels in judged.items()}
    promises = [
        *(_mean(threads, mean) for threads, mean in known.items()),
        _smallest(rows),
        _kernels(judged, slow),
        _speed_ups(rows),
        _stream(rows),
        _cold(rows),
        _warm(rows),
        _difference(rows),
    ]
    return Summary(rows, known, promises, {name: kernels for name, kernels in slow.items() if kernels})


def _rows(
    results: Sequence[Result], judged: Mapping[str, Sequence[Judged]], reports: Mapping[str, Mapping[str, object]]
) -> list[ModelRow]:
    rows = {name: ModelRow(name) for name in dict.fromkeys([*(result.name for result in results), *judged])}
    medians: dict[str, dict[int, float]] = {}
    for result in sorted(results, key=lambda result: result.threads):
        row = rows[result.name]
        if result.ratio is not None:
            row.ratios[result.threads] = result.ratio.value
            row.rivals[result.threads] = result.ratio.other
        if OURS in result.times:
            medians.setdefault(result.name, {})[result.threads] = result.times[OURS].median
        if OURS in result.differences:
            row.difference = max(row.difference or 0.0, result.differences[OURS])
        row.cold_seconds = result.cold_seconds
        row.warm_seconds = result.open_seconds.get(OURS)
    for name, times in medians.items():
        if len(times) > 1:
            rows[name].speed_up = times[min(times)] / times[max(times)]
    for name, kernels in judged.items():
        flops, moved, call = (float(str(reports[name][key])) for key in ("peak_flops", "peak_bytes", "call_seconds"))
        rate = sum(kernel.bytes * kernel.executions for kernel in kernels) / call
        rows[name].flops_share = sum(kernel.flops * kernel.executions for kernel in kernels) / call / flops
        rows[name].bytes_share = rate / moved
        rows[name].gbytes = rate / 1e9
    return list(rows.values())


def _mean(threads: int, mean: float) -> Promise:
    what = f"geometric mean of the ratios, {threads} {'thread' if threads == 1 else 'threads'}"
    return Promise(what, f">= {MEAN}", f"{mean:.3f}", mean >= MEAN)


def _smallest(rows: Sequence[ModelRow]) -> Promise:
    each = [(value, row.name, threads) for row in rows for threads, value in row.ratios.items()]
    low = [f"{name} {value:.2f} ({threads} thr)" for value, name, threads in sorted(each) if value < SMALLEST]
    found = ", ".join(low) if low else f"smallest {min(each)[0]:.2f} ({min(each)[1]})" if each else "not measured"
    return Promise("no model slower than", f">= {SMALLEST}", found, not low if each else None)


def _kernels(judged: Mapping[str, Sequence[Judged]], slow: Mapping[str, Sequence[Judged]]) -> Promise:
    total = sum(len(large(list(kernels))) for kernels in judged.values())
    reached = total - sum(len(kernels) for kernels in slow.values())
    what = f"dense kernels over 50 MFLOP at {KERNEL_SHARE:.0%} of the peak or more, 1 thread"
    found = f"{reached} of {total} ({reached / total:.0%})" if total else "not measured"
    return Promise(what, f">= {KERNELS:.0%}", found, reached >= KERNELS * total if total else None)


def _speed_ups(rows: Sequence[ModelRow]) -> Promise:
    each = {row.name: row.speed_up for row in rows if row.name in SPEED_UP_OF and row.speed_up is not None}
    return _each(f"speed-up by more threads, {' and '.join(SPEED_UP_OF)}", f">= {SPEED_UP}", each, SPEED_UP, "{:.2f}")


def _stream(rows: Sequence[ModelRow]) -> Promise:
    each = {row.name: row.bytes_share for row in rows if row.streams and row.bytes_share is not None}
    what = "models that memory limits: share of the read bandwidth, 1 thread"
    return _each(what, f">= {STREAM:.0%}", each, STREAM, "{:.0%}")


def _cold(rows: Sequence[ModelRow]) -> Promise:
    each = {row.name: row.cold_seconds for row in rows if row.name in COLD and row.cold_seconds is not None}
    found = ", ".join(f"{name} {value:.1f} s" for name, value in each.items()) or "not measured"
    wanted = ", ".join(f"{name} {limit:.0f} s" for name, limit in COLD.items())
    holds = all(value <= COLD[name] for name, value in each.items()) if each else None
    return Promise("cold start, nothing in the cache", f"<= {wanted}", found, holds)


def _warm(rows: Sequence[ModelRow]) -> Promise:
    each = {row.name: -row.warm_seconds for row in rows if row.warm_seconds is not None}
    worst = min(each, key=lambda name: each[name], default=None)
    found = "not measured" if worst is None else f"slowest {worst} {-each[worst]:.2f} s"
    return Promise("warm start, from the cache", f"<= {WARM} s", found, None if worst is None else -each[worst] <= WARM)


def _difference(rows: Sequence[ModelRow]) -> Promise:
    each = {row.name: row.difference for row in rows if row.difference is not None}
    worst = max(each, key=lambda name: each[name], default=None)
    found = "not measured" if worst is None else f"largest {each[worst]:.1e} ({worst})"
    holds = None if worst is None else each[worst] <= DIFFERENCE
    return Promise("difference from the reference, share of the output's range", f"<= {DIFFERENCE:.0e}", found, holds)


def _each(what: str, wanted: str, each: Mapping[str, float], limit: float, form: str) -> Promise:
    found = ", ".join(f"{name} {form.format(value)}" for name, value in each.items()) or "not measured"
    return Promise(what, wanted, found, all(value >= limit for value in each.values()) if each else None)


def threads_of(rows: Iterable[ModelRow]) -> list[int]:
    """Return the numbers of threads that some model was measured with."""
    return sorted({threads for row in rows for threads in row.ratios})
