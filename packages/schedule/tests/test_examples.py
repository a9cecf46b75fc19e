"""The Before/After examples in the docstrings of primitives are executed."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Callable

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import TensorFunction, Var
from tondo.script import parse
from tondo_schedule import IndexMap, Schedule, primitives, replay
from tondo_schedule.testing import made_up_intrinsics, read, write

_BEFORE = re.compile(r"^Before[^\n]*::\n\n(?P<text>(?:    [^\n]*\n|\n)+)", re.MULTILINE)
_AFTER = re.compile(r"^After ``(?P<call>[^`]+)``[^:]*::\n\n(?P<text>(?:    [^\n]*\n|\n)+)", re.MULTILINE)
_AXES = frozenset({"merge_axes", "split_axis"})
"""Primitives whose arguments are variables of blocks, not of loops."""


def example(name: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the text before, and the calls with the texts after them."""
    text = inspect.getdoc(importlib.import_module(f"tondo_schedule.primitives.{name}")) or ""
    text += "\n"
    before = _BEFORE.search(text)
    assert before is not None, f"{name} has no example: 'Before::' and an indented nest"
    after = [(match["call"], textwrap.dedent(match["text"]).strip() + "\n") for match in _AFTER.finditer(text)]
    assert after, f"{name} has no result: 'After ``{name}(...)``::' and an indented nest"
    return textwrap.dedent(before["text"]), after


@pytest.mark.parametrize("name", sorted(primitives.__all__))
def test_examples_run(name: str) -> None:
    before, results = example(name)
    function = read(before)
    for call, wanted in results:
        assert call.startswith(f"{name}("), f"the example of {name} shows {call}"
        schedule = Schedule(function)
        loops: dict[str, object] = {
            var: Var(f"v{var}") if name in _AXES else Var(var) for var in re.findall(r"\bfor (\w+) in", before)
        }
        methods: dict[str, Callable[..., object]] = {name: getattr(schedule, name)}
        known = {"IndexMap": IndexMap, "double4": made_up_intrinsics()["double4"]}
        eval(call, {**loops, **methods, **known})
        assert write(schedule.function, function) == wanted, write(schedule.function, function)
        _same_meaning(function, schedule.function)
        assert replay(function, schedule.trace, intrinsics=list(made_up_intrinsics().values())) == schedule.function


def _same_meaning(before: TensorFunction, after: TensorFunction) -> None:
    rng = np.random.default_rng(0)
    sizes = {var.name: 11 for var in before.scalars}
    inputs = [
        rng.integers(-4, 5, [int(getattr(extent, "value", 11)) for extent in buffer.shape]).astype(np.float32)
        for buffer in before.input_buffers
    ]
    if before.params != after.params:
        return  # a parameter has another layout
    wanted, found = (run_tensor_function(function, inputs, None, sizes) for function in (before, after))
    np.testing.assert_array_equal(found[0], wanted[0])


def test_the_short_form_says_what_scripts_say() -> None:
    function = read("for i in range(4):\n    for k in range(8):\n        C[i] += A[i, k] * 2\n")
    text = """
@tensor_function
def example(A: Buffer((4, 8), "float32"), C: Buffer((4,), "float32")):
    for i in serial(0, 4):
        for k in serial(0, 8):
            with block("C"):
                vi = spatial(4, i)
                vk = reduction(8, k)
                reads(A[vi, vk])
                writes(C[vi])
                with init():
                    C[vi] = 0.0
                C[vi] = C[vi] + A[vi, vk] * 2.0
"""
    assert parse(text).functions["example"] == function
