"""Every kernel of a model against what the machine can do: runs inside a worker, on one core.

What a kernel computes is read from its tensor function before it is scheduled: operations and bytes come from
:mod:`tondo_schedule.facts`, not from a table of operators. Times come from the session's profile. The peaks are
measured in the same process before, between and after the calls, so that both see the same clock frequency and the
same neighbours. The best time of a kernel or a call is set against the best rate of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NotRequired, TypedDict, cast

import numpy as np

import tondo
from tondo.ir import Buffer, Const, Expr, IRModule, TensorFunction
from tondo.passes import Step
from tondo.plugin import collect
from tondo.target import parse_target
from tondo_bench.engines.task import Task
from tondo_bench.engines.tondo_engine import config_of
from tondo_bench.peaks import Peaks
from tondo_schedule.facts import Stage, stages_of

_SCHEDULE = "tensor.schedule"
_ROUNDS = 6

_FEW_ROWS = 8
_FEW_COLUMNS = 32
_SHORT_SUM = 64
_OTHER = 0.05
_MOVING = 0.4
_SHORT_SECONDS = 3e-4


@dataclass(frozen=True, slots=True)
class Work:
    """What one execution of a kernel amounts to.

    Attributes:
        kind: ``dense`` (a contraction with rows and columns), ``contraction``, or the kind of the largest stage.
        flops: operations; a multiply-add counts two, an intrinsic function ten.
        bytes: of every buffer parameter once, at most as much as is read of it; what has to move at least.
        sizes: rows, columns and depth of the largest stage if it is a contraction, and how many there are of it.
        multiply_adds: operations of that stage.
    """

    kind: str
    flops: int
    bytes: int
    sizes: tuple[int, int, int, int] | None = field(default=None, compare=False)
    multiply_adds: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel and its times in seconds over all of its executions; ``work`` is None if it could not be read."""

    name: str
    executions: int
    best: float
    median: float
    work: Work | None


class Before:
    """Keeps the module as the pass ``name`` receives it."""

    def __init__(self, name: str) -> None:
        """Wait for the pass ``name``."""
        self.name = name
        self.module: IRModule | None = None

    def before(self, step: Step, module: IRModule) -> None:
        """Keep the module if it is the pass."""
        if step.name == self.name:
            self.module = module

    def after(self, step: Step, module: IRModule) -> None:
        """Nothing to keep."""


def measure(task: dict[str, object], feed: str, calls: int) -> dict[str, object]:
    """Return peaks and kernels of a model, see the module's text.

    Args:
        task: fields of :class:`Task` except the inputs; shapes are fixed in any case.
        feed: file with the inputs.
        calls: profiled calls.
    """
    with np.load(feed) as arrays:
        inputs = {name: arrays[name] for name in arrays.files}
    given = Task(feed=inputs, **{**task, "static": True})
    kernels, call, peaks = measured(given.model, given, calls)
    return {
        "peak_flops": peaks.flops,
        "peak_bytes": peaks.bytes,
        "call_seconds": call,
        "kernels": [asdict(kernel) for kernel in kernels],
    }


def measured(source: object, task: Task, calls: int) -> tuple[list[Kernel], float, Peaks]:
    """Return the kernels of ``source``, the seconds of its best call, and the peaks, which are best rates too."""
    extensions = collect("")
    target = parse_target(task.target or "native", extensions.targets.values())
    peaks = Peaks(target)
    seen = Before(_SCHEDULE)
    config = config_of(task) if isinstance(source, str) else None
    model = tondo.compile(source, target=task.target, threads=task.threads, config=config, instruments=[seen])
    feed = dict(task.feed)
    model.run(feed)
    with model.profile() as profile:
        for _ in range(_ROUNDS):
            peaks.measure_flops()
            peaks.measure_bytes()
            for _ in range(max(1, calls // _ROUNDS)):
                model.run(feed)
        peaks.measure_flops()
    times: dict[str, list[float]] = {}
    whole: list[float] = []
    for event in profile.events:
        seconds = (event.end_ns - event.begin_ns) / 1e9
        if event.kernel is None:
            whole.append(seconds)
        else:
            times.setdefault(profile.kernels[event.kernel], []).append(seconds)
    works = {} if seen.module is None else works_of(seen.module)
    kernels = [
        Kernel(name, len(each) // len(whole), min(each), float(np.median(each)), works.get(name))
        for name, each in times.items()
    ]
    kernels.sort(key=lambda kernel: -kernel.executions * kernel.median)
    return kernels, min(whole), peaks


def works_of(module: IRModule) -> dict[str, Work]:
    """Return the work of each tensor function of ``module`` that is in compute form and has constant extents."""
    found = ((function.name, work_of(function)) for function in module.tensor_functions())
    return {name: work for name, work in found if work is not None}


def work_of(function: TensorFunction) -> Work | None:
    """Return what one call of ``function`` amounts to; None if it cannot be read off."""
    stages = stages_of(function)
    if not stages:
        return None
    points = [constant(stage.points) for stage in stages]
    sizes = {buffer: _size(buffer) for buffer in function.buffers}
    if any(count is None for count in points) or any(size is None for size in sizes.values()):
        return None
    counted = [(stage, count) for stage, count in zip(stages, points, strict=True) if count is not None]
    flops = [count * stage.operations for stage, count in counted]
    main = stages[max(range(len(stages)), key=lambda place: (flops[place], counted[place][1]))]
    moved = sum(_moved(buffer, size, counted) for buffer, size in sizes.items() if size is not None)
    return Work(_kind(main), sum(flops), moved, _sizes(main), max(flops))


def constant(expr: Expr) -> int | None:
    """Return the value of an extent if it is known."""
    return int(expr.value) if isinstance(expr, Const) else None


def _kind(stage: Stage) -> str:
    roles = stage.contraction
    return "dense" if roles is not None and roles.m and roles.n else stage.kind


def _sizes(stage: Stage) -> tuple[int, int, int, int] | None:
    """Rows, columns, depth and number of the contraction that ``stage`` is."""
    roles = stage.contraction
    if roles is None:
        return None
    rows, columns, depth, count = (
        math.prod(constant(it.extent) or 1 for it in axes) for axes in (roles.m, roles.n, roles.k, roles.batch)
    )
    return rows, columns, depth, count


def _size(buffer: Buffer) -> int | None:
    extents = [constant(extent) for extent in buffer.shape]
    return (
        math.prod(extent for extent in extents if extent is not None) * buffer.dtype.bytes
        if None not in extents
        else None
    )


def _moved(buffer: Buffer, size: int, stages: list[tuple[Stage, int]]) -> int:
    """A lookup reads a part of its table only: never more than one element per execution and load."""
    read = sum(count * len(stage.reads_of(buffer)) for stage, count in stages)
    written = any(stage.output == buffer for stage, _ in stages)
    return size if written else min(size, read * buffer.dtype.bytes)


# ------------------------------------------------------------------------------------------------ judging


@dataclass(frozen=True, slots=True)
class Judged:
    """A kernel set against the roofline.

    Attributes:
        name: of the kernel.
        kind: see :class:`Work`.
        executions: per call of the model.
        flops: operations of one execution.
        bytes: that one execution moves at least.
        gflops: best rate in 10^9 operations per second.
        gbytes: best rate in 10^9 bytes per second.
        bound: ``compute`` or ``memory``: which of both limits takes longer.
        share: best rate as a share of that limit.
        seconds: median time of one execution.
        shape: rows x columns x depth of a contraction, and how many there are of it.
        reason: what keeps it from the limit, as far as its facts tell.
    """

    name: str
    kind: str
    executions: int
    flops: int
    bytes: int
    gflops: float
    gbytes: float
    bound: str
    share: float
    seconds: float
    shape: str = ""
    reason: str = ""


def judge(report: Mapping[str, object]) -> list[Judged]:
    """Return the kernels of a report of :func:`measure` that have known work, the longest first."""
    flops, bandwidth = float(str(report["peak_flops"])), float(str(report["peak_bytes"]))
    kernels = cast("list[_Values]", report["kernels"])
    return [_judged(kernel, kernel["work"], flops, bandwidth) for kernel in kernels if kernel["work"] is not None]


def below(judged: list[Judged], share: float = 0.8, flops: int = 50_000_000) -> list[Judged]:
    """Return the large dense kernels that compute limits and that stay below ``share`` of the peak."""
    return [kernel for kernel in large(judged, flops) if kernel.share < share]


def large(judged: list[Judged], flops: int = 50_000_000) -> list[Judged]:
    """Return the dense kernels of more than ``flops`` operations that compute limits, not memory."""
    return [
        kernel for kernel in judged if kernel.kind == "dense" and kernel.bound == "compute" and kernel.flops > flops
    ]


class _Values(TypedDict):
    """A :class:`Kernel` as JSON."""

    name: str
    executions: int
    best: float
    median: float
    work: _WorkValues | None


class _WorkValues(TypedDict):
    kind: str
    flops: int
    bytes: int
    sizes: NotRequired[tuple[int, int, int, int] | None]
    multiply_adds: NotRequired[int]


def _judged(kernel: _Values, work: _WorkValues, peak_flops: float, peak_bytes: float) -> Judged:
    compute, memory = work["flops"] / peak_flops, work["bytes"] / peak_bytes
    return Judged(
        name=kernel["name"],
        kind=work["kind"],
        executions=kernel["executions"],
        flops=work["flops"],
        bytes=work["bytes"],
        gflops=work["flops"] / kernel["best"] / 1e9,
        gbytes=work["bytes"] / kernel["best"] / 1e9,
        bound="compute" if compute >= memory else "memory",
        share=max(compute, memory) / kernel["best"],
        seconds=kernel["median"],
        shape=_shape(work.get("sizes")),
        reason=reason_of(kernel, work, memory),
    )


def _shape(sizes: Sequence[int] | None) -> str:
    if sizes is None:
        return ""
    rows, columns, depth, count = sizes
    return f"{rows}x{columns}x{depth}{f' ({count} times)' if count > 1 else ''}"


def reason_of(kernel: _Values, work: _WorkValues, memory_seconds: float) -> str:
    """Return what the facts of a kernel say about the time that it loses.

    Args:
        kernel: its times.
        work: its work.
        memory_seconds: what moving its bytes takes at the measured bandwidth.
    """
    best = kernel["best"]
    reasons: list[str] = []
    sizes = work.get("sizes")
    if sizes is not None:
        rows, columns, depth, _ = sizes
        reasons += [f"{rows} rows fill no register tile"] if rows < _FEW_ROWS else []
        reasons += [f"{columns} columns fill few vectors"] if columns < _FEW_COLUMNS else []
        reasons += [f"sums of {depth}: storing them weighs"] if depth < _SHORT_SUM else []
    other = 1 - work.get("multiply_adds", work["flops"]) / work["flops"] if work["flops"] else 0.0
    reasons += [f"{other:.0%} of the operations are no multiply-adds"] if other > _OTHER else []
    moving = memory_seconds / best
    reasons += [f"moving its bytes takes {moving:.0%} of the time"] if moving > _MOVING else []
    reasons += [f"short: {best * 1e6:.0f} us"] if best < _SHORT_SECONDS else []
    return "; ".join(reasons) or "none that its facts tell"
