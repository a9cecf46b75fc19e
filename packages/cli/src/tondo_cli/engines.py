"""Other engines that ``tondo bench --against`` compares with, each imported only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tondo.diagnostics import fail, suggest
from tondo_cli.inputs import Array

if TYPE_CHECKING:
    from types import ModuleType

Run = Callable[[], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class Job:
    """What an engine is asked to do.

    Attributes:
        model: the ONNX file.
        inputs: input name to array.
        threads: how many threads one call may use.
        fixed: whether the engine may rely on the shapes of ``inputs``, as Tondo does.
    """

    model: Path
    inputs: Mapping[str, Array]
    threads: int
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine with the model opened: ``time`` makes one call, ``answer`` returns its outputs by name."""

    version: str
    time: Callable[[], object]
    answer: Run


def engine_names(words: Sequence[str]) -> list[str]:
    """Return the engines that ``words`` name, each a name or several with commas between them.

    Raises:
        TondoError: TND-U005 for an engine that is unknown.
    """
    names = dict.fromkeys(name.strip() for word in words for name in word.split(",") if name.strip())
    for name in names:
        if name not in ENGINES:
            notes = (f"engines: {', '.join(ENGINES)}",)
            fail("TND-U005", f"unknown engine '{name}'", notes=notes, help=suggest(name, ENGINES))
    return list(names)


def require_engines(names: Sequence[str]) -> None:
    """Refuse engines that are not installed, all at once, before anything takes time.

    Raises:
        TondoError: TND-U005 with the command that installs them.
    """
    reasons = {name: reason for name in names if (reason := _missing(name)) is not None}
    if reasons:
        fail(
            "TND-U005",
            f"{' and '.join(reasons)} cannot be imported",
            notes=[f"{name}: {reason}" for name, reason in reasons.items()],
            help=f"pip install {' '.join(reasons)}",
        )


def open_engine(name: str, job: Job) -> Engine:
    """Return the engine ``name`` with the model of ``job`` opened.

    Raises:
        TondoError: TND-U005 if it refuses the model.
    """
    try:
        return ENGINES[name](importlib.import_module(name), job)
    except Exception as error:  # noqa: BLE001  engines have exception classes without a common base
        fail("TND-U005", f"{name} does not run {job.model}", notes=(str(error),))


def _missing(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return str(error)
    return None


def _onnxruntime(module: ModuleType, job: Job) -> Engine:
    def session(overrides: Mapping[str, int]):  # noqa: ANN202  a class of the engine
        options = module.SessionOptions()
        options.intra_op_num_threads = job.threads
        options.inter_op_num_threads = 1
        for dimension, size in overrides.items():
            options.add_free_dimension_override_by_name(dimension, size)
        return module.InferenceSession(str(job.model), options, providers=["CPUExecutionProvider"])

    opened = session({})
    free = {
        dim: size
        for spec in opened.get_inputs()
        for dim, size in zip(spec.shape, job.inputs[spec.name].shape, strict=True)
        if isinstance(dim, str)
    }
    if job.fixed and free:
        opened = session(free)
    names = [output.name for output in opened.get_outputs()]
    feed = dict(job.inputs)
    return Engine(
        version=module.__version__,
        time=lambda: opened.run(None, feed),
        answer=lambda: dict(zip(names, opened.run(names, feed), strict=True)),
    )


def _openvino(module: ModuleType, job: Job) -> Engine:
    core = module.Core()
    model = core.read_model(str(job.model))
    if job.fixed:
        model.reshape({name: list(array.shape) for name, array in job.inputs.items()})
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # without it the engine takes bfloat16 where the processor has it
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": job.threads,
        "ENABLE_CPU_PINNING": False,  # the process is pinned already
    }
    compiled = core.compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    feed = dict(job.inputs)
    names = [port.get_any_name() for port in compiled.outputs]

    def answer() -> dict[str, Array]:
        result = request.infer(feed)
        return {name: result[port].copy() for name, port in zip(names, compiled.outputs, strict=True)}

    return Engine(
        version=module.__version__.partition("-")[0],
        time=lambda: request.infer(feed, share_inputs=True, share_outputs=True),
        answer=answer,
    )


ENGINES: Mapping[str, Callable[[ModuleType, Job], Engine]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}
"""By the name of the package that is imported and installed."""
