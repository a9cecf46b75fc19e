"""One trial: a mutated model is compiled and run, and judged by a reference that accepts it as well.

Outcomes: ``refused`` with a code, ``correct``, ``unjudged`` (it ran, no reference does), and the failures ``wrong``,
``internal`` (a defect that was noticed), ``uncoded``, ``crash``, ``hang``, ``memory``.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Union

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

import tondo
from fuzz.isolate import Ended, isolated
from fuzz.mutate import mutated
from fuzz.seeds import Seed, seeds
from tondo.diagnostics import TondoError
from tondo.plugin import Extensions, collect
from tondo_runtime import RuntimeFailure

FAILURES = ("wrong", "internal", "uncoded", "crash", "hang", "memory")
MEGABYTES = 1024
SECONDS = 10
_INTERNAL = ("TND-Z001", "TND-B001", "TND-B002", "TND-B003")
_MEMORY = re.compile(r"MemoryError|Cannot allocate|bad_alloc|out of memory", re.IGNORECASE)
_ELEMENTS = 1 << 20
_CONFIG = {"cache": False, "codegen": {"use": "llvm", "opt_level": 1}}


@dataclass(frozen=True)
class Trial:
    """What came of a trial."""

    number: int
    seed: str
    outcome: str
    reason: str
    model: bytes
    seconds: float = 0.0
    megabytes: int = 0

    @property
    def failed(self) -> bool:
        return self.outcome in FAILURES


Result = Union[np.ndarray, "list[Result]", None]
"""What an output may hold: a tensor, a sequence, or an optional without a value."""
Ran = tuple[str, str, dict[str, np.ndarray], dict[str, Result]]
"""Outcome, reason, inputs, outputs."""


def trial(number: int, base: int) -> Trial:
    """Return what comes of trial ``number`` of the series ``base``; the two decide everything."""
    mixed = base * 1_000_003 + number
    chance = random.Random(mixed)
    seed = chance.choice(seeds())
    data = seed.model.SerializeToString()
    model = mutated(data, mixed, operators())
    return judged(model, seed, number, mixed)


def judged(model: bytes, seed: Seed, number: int, mixed: int) -> Trial:
    """Return what comes of ``model``."""
    ended = isolated(lambda: _ours(model, seed, mixed), MEGABYTES, SECONDS)
    if ended.what != "value":
        outcome = "uncoded" if ended.what == "raised" else ended.what
        return _trial(number, seed, outcome, ended.reason, model, ended)
    outcome, reason, inputs, outputs = _ran(ended)
    if outcome != "ran":
        return _trial(number, seed, outcome, reason, model, ended)
    return _trial(number, seed, *_verdict(model, inputs, outputs), model, ended)


def _verdict(model: bytes, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, Result]) -> tuple[str, str]:
    """Return the outcome of a model that ran, and the reason.

    A reference may be wrong where the other agrees with us. The evaluator checks little: what it makes of a model that
    onnxruntime knows to be invalid only counts if it agrees.
    """
    outcome, reason, invalid = "unjudged", "no reference runs it", False
    for reference in (_onnxruntime, _evaluator):
        theirs = isolated(lambda run=reference: run(model, inputs), 2 * MEGABYTES, 2 * SECONDS)
        if theirs.what != "value":
            invalid = invalid or (theirs.what == "raised" and "NotImplemented" not in theirs.reason)
            continue
        assert isinstance(theirs.value, list)
        difference = _difference(outputs, theirs.value)
        if difference is None:
            return "correct", ""
        if not invalid:
            outcome, reason = "wrong", f"{reference.__name__[1:]}: {difference}"
    return outcome, reason


@cache
def extensions() -> Extensions:
    """Return what plugins bring; every module that compiling needs is imported then, so that no trial has to."""
    found = collect()
    seed = next(seed for seed in seeds() if seed.name == "attention")

    def modules() -> list[str]:
        tondo.compile(seed.model, threads=1, config=_CONFIG, extensions=found)
        return sorted(sys.modules)

    ended = isolated(modules, 4 * MEGABYTES, 10 * SECONDS)
    assert isinstance(ended.value, list), ended.reason
    for name in ended.value:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    return found


@cache
def operators() -> tuple[str, ...]:
    """Return the names of all operators that seeds have."""
    return tuple(sorted({node.op_type for seed in seeds() for node in seed.model.graph.node}))


def _trial(number: int, seed: Seed, outcome: str, reason: str, model: bytes, ended: Ended) -> Trial:
    return Trial(number, seed.name, outcome, reason, model, ended.seconds, ended.megabytes)


def _ran(ended: Ended) -> Ran:
    value = ended.value
    assert isinstance(value, tuple)
    return value


def _ours(model: bytes, seed: Seed, mixed: int) -> Ran:
    """Compile and run ``model``."""
    try:
        compiled = tondo.compile(model, threads=1, config=_CONFIG, extensions=extensions())
        inputs = {spec.name: _input(spec, seed.inputs, i, mixed) for i, spec in enumerate(compiled.inputs)}
        return "ran", "", inputs, compiled.run(inputs)
    except (TondoError, RuntimeFailure) as error:
        return *_refusal(error), {}, {}


def _refusal(error: TondoError | RuntimeFailure) -> tuple[str, str]:
    code = error.diagnostics[0].code if isinstance(error, TondoError) else error.code
    text = str(error)
    if code in _INTERNAL:
        return ("memory" if _MEMORY.search(text) else "internal"), text
    return "refused", text


def _input(spec, given: Mapping[str, np.ndarray], index: int, mixed: int) -> np.ndarray:
    """Return an input: the one of the seed if it fits, else numbers by chance; a free dimension is 1 to 5."""
    generator = np.random.default_rng([mixed, index])
    stored = given.get(spec.name)
    dtype = spec.type.numpy
    if stored is not None and stored.dtype == dtype and _fits(stored.shape, spec.shape):
        return np.ascontiguousarray(stored)
    sizes = dict[str, int]()
    shape = [
        dim if isinstance(dim, int) else sizes.setdefault(str(dim), int(generator.integers(1, 6))) for dim in spec.shape
    ]
    if np.prod([float(size) for size in shape]) > _ELEMENTS:
        raise RuntimeFailure("TND-X002", f"an input of shape {shape} is not made")
    if dtype.kind in "iu":
        return generator.integers(0, 4, shape).astype(dtype)
    if dtype.kind == "c":
        return generator.standard_normal((*shape, 2)).astype(np.float64).view(np.complex128)[..., 0].astype(dtype)
    return (generator.random(shape) > 0.5) if dtype.kind == "b" else generator.standard_normal(shape).astype(dtype)


def _fits(shape: tuple[int, ...], wanted: tuple[object, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(wanted, shape, strict=True)
    )


def _onnxruntime(model: bytes, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    proto = onnx.ModelProto.FromString(model)
    proto.ir_version = min(proto.ir_version, 10)
    engine = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [_result(value) for value in engine.run(None, dict(inputs))]


def _evaluator(model: bytes, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_result(value) for value in ReferenceEvaluator(model).run(None, dict(inputs))]


def _result(value: object) -> Result:
    if isinstance(value, (list, tuple)):
        return [_result(item) for item in value]
    return None if value is None else np.asarray(value)


def _difference(ours: Mapping[str, Result], theirs: list[Result]) -> str | None:
    """Return what is different; None if nothing is."""
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs instead of {len(theirs)}"
    found = (_different(f"'{name}'", mine, wanted) for (name, mine), wanted in zip(ours.items(), theirs, strict=True))
    return next((text for text in found if text is not None), None)


def _different(name: str, mine: Result, wanted: Result) -> str | None:
    """Return what is different between two values; None if nothing is."""
    if isinstance(mine, list) and isinstance(wanted, list):
        if len(mine) != len(wanted):
            return f"{name} has {len(mine)} items instead of {len(wanted)}"
        found = (_different(f"{name}[{i}]", a, b) for i, (a, b) in enumerate(zip(mine, wanted, strict=True)))
        return next((text for text in found if text is not None), None)
    if not isinstance(mine, np.ndarray) or not isinstance(wanted, np.ndarray):
        return None if mine is wanted else f"{name} is a {type(mine).__name__} instead of a {type(wanted).__name__}"
    if mine.shape != wanted.shape or mine.dtype != wanted.dtype:
        return f"{name} is {mine.dtype}{mine.shape} instead of {wanted.dtype}{wanted.shape}"
    return None if _close(mine, wanted) else f"{name} is {_some(mine)} instead of {_some(wanted)}"


def _close(mine: np.ndarray, wanted: np.ndarray) -> bool:
    if mine.dtype.kind not in "fcV":
        return bool(np.array_equal(mine, wanted))
    small = mine.dtype.itemsize < 4
    wide = np.complex128 if mine.dtype.kind == "c" else np.float64
    a, b = mine.astype(wide), wanted.astype(wide)
    finite = np.abs(b[np.isfinite(b)])
    size = float(finite.max(initial=0.0))
    tolerance = 0.13 if mine.dtype.itemsize == 1 else 2e-2 if small else 1e-3
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * max(size, 1e-3), equal_nan=True))


def _some(array: np.ndarray) -> str:
    return np.array2string(array.reshape(-1)[:6], precision=4, separator=",").replace("\n", "")
