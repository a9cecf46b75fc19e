"""Shared helpers of the tests of the standard passes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tondo.interp import run_graph, run_tensor_function
from tondo.interp.expressions import evaluate_expr
from tondo.ir import Buffer, GraphFunction, IRModule, TensorFunction, Var, walk
from tondo.passes import PassContext
from tondo.script import parse, script
from tondo.target import Target
from tondo.target.target import Caches


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


def _graph_inputs(function: GraphFunction, seed: int, dims: dict[str, int]) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for param in function.params:
        env = {item: dims[item.name] for item in walk(param.type) if isinstance(item, Var)}
        shape = [int(evaluate_expr(extent, env)) for extent in param.tensor.dims]
        array = generator.standard_normal(shape) * 4
        found.append(np.asarray(array).astype(param.tensor.dtype.numpy))
    return found


def _same_meaning(before: IRModule, after: IRModule, *, seed: int = 0, tolerance: float = 0.0, **dims: int) -> None:
    """Assert that ``main`` of both modules computes the same; with ``tolerance`` 0 bit for bit."""
    _round_trips(after)
    inputs = _graph_inputs(before.graph(), seed, dims)
    expected, found = run_graph(before, inputs, {}), run_graph(after, inputs, {})
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        if tolerance:
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(one, other)
            assert one.tobytes() == other.tobytes()


@pytest.fixture(scope="session")
def same_meaning() -> Callable[..., None]:
    """``same_meaning(before, after, seed=0, tolerance=0.0, **dims)``: equal results on random inputs."""
    return _same_meaning


@pytest.fixture
def context() -> PassContext:
    """A context for the baseline CPU whose evaluator is the interpreter."""
    target = Target("cpu", "generic", "x86_64-unknown-linux-gnu", frozenset(), 256, 16, Caches(32 << 10, 1 << 20, 0), 1)
    return PassContext(target, evaluate=lambda function, inputs: run_tensor_function(function, list(inputs), None, {}))


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
