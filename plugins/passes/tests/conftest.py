"""Shared helpers of the tests of the standard passes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import Buffer, IRModule, TensorFunction
from tondo.passes import PassContext
from tondo.script import parse, script
from tondo.target import parse_target


def _evaluate(function: TensorFunction, inputs: list[np.ndarray], **scalars: int) -> list[np.ndarray]:
    """Run ``function`` with the reference interpreter; scratch buffers are left out of the result."""
    results = run_tensor_function(function, inputs, None, scalars)
    scratch = int(str(function.attrs.get("workspace", 0)))
    return list(results[: len(results) - scratch])


def _random_inputs(function: TensorFunction, seed: int = 0, **scalars: int) -> list[np.ndarray]:
    """Return seeded random arrays for the input buffers of ``function``."""
    generator = np.random.default_rng(seed)
    return [_random(generator, buffer, scalars) for buffer in function.input_buffers]


def _random(generator: np.random.Generator, buffer: Buffer, scalars: dict[str, int]) -> np.ndarray:
    shape = tuple(scalars[extent.name] if hasattr(extent, "name") else int(extent.value) for extent in buffer.shape)
    return generator.standard_normal(shape).astype(buffer.dtype.numpy)


def _round_trips(module: IRModule) -> None:
    """Assert that the script of ``module`` parses back to an equal module."""
    text = script(module)
    assert parse(text, constants=module.constants) == module, text


@pytest.fixture
def context() -> PassContext:
    """A context for the baseline CPU whose evaluator is the interpreter."""
    return PassContext(
        target=parse_target("cpu", ()), evaluate=lambda function, inputs: run_tensor_function(function, list(inputs), None, {})
    )


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., list[np.ndarray]]:
    """``evaluate(function, inputs, **scalars)``: run with the reference interpreter, without scratch buffers."""
    return _evaluate


@pytest.fixture(scope="session")
def random_inputs() -> Callable[..., list[np.ndarray]]:
    """``random_inputs(function, seed=0, **scalars)``: seeded arrays for the input buffers."""
    return _random_inputs


@pytest.fixture(scope="session")
def round_trips() -> Callable[[IRModule], None]:
    """``round_trips(module)``: assert that the script of the module parses back to it."""
    return _round_trips
