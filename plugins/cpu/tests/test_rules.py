"""The rules for reductions, chains and everything else against numpy, on every kind of machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    Allocate,
    Combiner,
    Compute,
    Const,
    Expr,
    For,
    TensorFunction,
    TensorType,
    Var,
    dims,
    intrin,
    select,
    walk,
)
from tondo.passes import Miss
from tondo.passes.rule import RecordedChoices
from tondo.target import Caches, Target
from tondo_cpu.plugin import register_schedule_rules
from tondo_passes.tensor import LOWERING

WIDE = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 2)
NARROW = Target("cpu", "any", "any", frozenset(), 256, 16, Caches(32768, 1 << 20, 0), 1)
SCALAR = Target("cpu", "any", "any", frozenset(), 0, 0, Caches(0, 0, 0), 1)
MACHINES = st.sampled_from([WIDE, NARROW, SCALAR])
CALM = settings(derandomize=True, deadline=None, max_examples=20)


def scheduled(function: TensorFunction, target: Target, rule: str) -> TensorFunction:
    for item in sorted(register_schedule_rules(), key=lambda found: -found.priority):
        result = item.apply(function, RecordedChoices(target))
        if not isinstance(result, Miss):
            assert item.name == rule
            return result
    msg = "no rule applies"
    raise AssertionError(msg)


def run(function: TensorFunction, *arrays: np.ndarray) -> np.ndarray:
    for step in LOWERING:
        if step.name not in {"tensor.lift_workspace", "tensor.flatten"}:
            function = step.apply(function)
    return run_tensor_function(function, arrays)[0]


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-8, 8, shape).astype(np.float32)


def softmax(rows: int | Var, size: int | Var) -> TensorFunction:
    builder = Compute("softmax")
    x = builder.input("X", TensorType(dims((rows, size)), FLOAT32))
    top = builder.reduce("M", (rows,), (size,), lambda i, k: x[i, k], "max")
    power = builder.compute("E", (rows, size), lambda i, j: intrin("exp", x[i, j] - top[i]))
    total = builder.reduce("S", (rows,), (size,), lambda i, k: power[i, k])
    return builder.build(builder.compute("Y", (rows, size), lambda i, j: power[i, j] / total[i]))


@CALM
@given(rows=st.integers(1, 5), size=st.integers(1, 70), target=MACHINES)
def test_softmax_by_rows(rows: int, size: int, target: Target) -> None:
    x = values(rows, size)
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    for function in (softmax(rows, size), softmax(Var("r"), Var("s"))):
        np.testing.assert_allclose(run(scheduled(function, target, "cpu.reduction"), x), expected, rtol=1e-5)


def test_softmax_is_one_loop_over_rows() -> None:
    result = scheduled(softmax(1000, 256), WIDE, "cpu.reduction")
    assert sum(isinstance(item, For) and item.kind == "parallel" for item in walk(result.body)) == 1


@CALM
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 20)),
    axis=st.integers(0, 2),
    target=MACHINES,
    combiner=st.sampled_from(["sum", "max", "min"]),
)
def test_single_reductions(shape: tuple[int, int, int], axis: int, target: Target, combiner: Combiner) -> None:
    others = [place for place in range(3) if place != axis]

    def element(*index: Var) -> Expr:
        full = dict(zip([*others, axis], index, strict=True))
        return x[full[0], full[1], full[2]]

    builder = Compute("reduce")
    x = builder.input("X", TensorType(dims(shape), FLOAT32))
    function = builder.build(builder.reduce("S", [shape[place] for place in others], (shape[axis],), element, combiner))
    data = values(*shape)
    expected = {"sum": np.sum, "max": np.max, "min": np.min}[combiner](data, axis=axis)
    np.testing.assert_array_equal(run(scheduled(function, target, "cpu.reduction"), data), expected)


@CALM
@given(channels=st.integers(1, 40), last=st.booleans(), target=MACHINES)
def test_pooling(channels: int, target: Target, *, last: bool) -> None:
    builder = Compute("pool")
    shape = (7, 7, channels) if last else (channels, 7, 7)
    x = builder.input("X", TensorType(dims(shape), FLOAT32))
    if last:
        out = builder.reduce("Y", (3, 3, channels), (3, 3), lambda i, j, c, p, q: x[i * 2 + p, j * 2 + q, c], "max")
    else:
        out = builder.reduce("Y", (channels, 3, 3), (3, 3), lambda c, i, j, p, q: x[c, i * 2 + p, j * 2 + q], "max")
    data = values(*shape)
    plain = data if last else data.transpose(1, 2, 0)
    windows = np.lib.stride_tricks.sliding_window_view(plain, (3, 3), axis=(0, 1))[::2, ::2]
    expected = windows.max(axis=(-1, -2))
    result = run(scheduled(builder.build(out), target, "cpu.reduction"), data)
    np.testing.assert_array_equal(result, expected if last else expected.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [5, 16, 37])
def test_windows_with_weights_run_across_neighbours(size: int) -> None:
    """The weights are contiguous along the window, the picture along the results: these decide."""
    builder = Compute("weighted")
    x = builder.input("X", TensorType(dims((6, size + 2)), FLOAT32))
    w = builder.input("W", TensorType(dims((3, 3)), FLOAT32))
    top = builder.reduce("T", (4, size), (3, 3), lambda i, j, p, q: x[i + p, j + q] + w[p, q], "max")
    out = builder.compute("Y", (4, size), lambda i, j: top[i, j] - x[i + 1, j + 1])
    made = scheduled(builder.build(out), WIDE, "cpu.reduction")
    assert any(isinstance(item, For) and item.kind == "vectorized" for item in walk(made.body))
    data, weights = values(6, size + 2), values(3, 3)
    windows = np.lib.stride_tricks.sliding_window_view(data, (3, 3))
    expected = (windows + weights).max(axis=(-1, -2)) - data[1:-1, 1:-1]
    np.testing.assert_array_equal(run(made, data, weights), expected)


@CALM
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 40)),
    target=MACHINES,
    order=st.permutations(range(3)),
)
def test_chains_broadcasts_and_transposes(shape: tuple[int, int, int], target: Target, order: list[int]) -> None:
    builder = Compute("chain")
    x = builder.input("X", TensorType(dims(shape), FLOAT32))
    bias = builder.input("b", TensorType(dims((shape[2],)), FLOAT32))
    t = builder.compute("T", shape, lambda i, j, k: x[i, j, k] * 2.0 + bias[k])
    u = builder.compute("U", shape, lambda i, j, k: t[i, j, k] * t[i, j, k])

    def moved(*index: Var) -> Expr:
        old = dict(zip(order, index, strict=True))
        return u[old[0], old[1], old[2]] + 1.0

    function = builder.build(builder.compute("Y", [shape[place] for place in order], moved))
    data, offset = values(*shape), values(shape[2])
    expected = ((data * 2 + offset) ** 2 + 1).transpose(order)
    np.testing.assert_array_equal(run(scheduled(function, target, "cpu.elementwise"), data, offset), expected)


@CALM
@given(size=st.integers(1, 40), before=st.integers(0, 3), after=st.integers(0, 3), target=MACHINES)
def test_padding(size: int, before: int, after: int, target: Target) -> None:
    builder = Compute("pad")
    x = builder.input("X", TensorType(dims((3, size)), FLOAT32))
    total = before + size + after

    def value(i: Var, j: Var) -> Expr:
        return select((j >= before) & (j < before + size), x[i, j - before], Const(0, FLOAT32))

    function = builder.build(builder.compute("Y", (3, total), value))
    data = values(3, size)
    expected = np.pad(data, ((0, 0), (before, after)))
    np.testing.assert_array_equal(run(scheduled(function, target, "cpu.elementwise"), data), expected)


@pytest.mark.parametrize("size", [1, 15, 16, 100])
def test_symbolic_chain(size: int) -> None:
    n = Var("n")
    builder = Compute("chain")
    x = builder.input("X", TensorType(dims((n, 3)), FLOAT32))
    function = builder.build(builder.compute("Y", (n, 3), lambda i, j: x[i, j] + 1.0))
    data = values(size, 3)
    np.testing.assert_array_equal(run(scheduled(function, WIDE, "cpu.elementwise"), data), data + 1)


def test_work_is_shared_only_if_it_pays() -> None:
    def chain(size: int) -> TensorFunction:
        builder = Compute("chain")
        x = builder.input("X", TensorType(dims((size,)), FLOAT32))
        return builder.build(builder.compute("Y", (size,), lambda i: x[i] + 1.0))

    def parallel(size: int) -> bool:
        result = scheduled(chain(size), WIDE, "cpu.elementwise")
        return any(isinstance(item, For) and item.kind == "parallel" for item in walk(result.body))

    assert not parallel(1000)
    assert parallel(10_000_000)


def test_rules_say_why_they_miss() -> None:
    builder = Compute("chain")
    x = builder.input("X", TensorType(dims((4,)), FLOAT32))
    function = builder.build(builder.compute("Y", (4,), lambda i: x[i] + 1.0))
    reasons = {
        rule.name: result.reason
        for rule in register_schedule_rules()
        if isinstance(result := rule.apply(function, RecordedChoices(WIDE)), Miss)
    }
    assert reasons == {
        "cpu.filtering": "no transformations around a batched product",
        "cpu.row_chain": "the stages are not functions of rows between two contractions",
        "cpu.contraction": "no stage is a contraction",
        "cpu.reduction": "no stage is a reduction",
    }


@CALM
@given(machine=MACHINES, sizes=st.tuples(*[st.integers(1, 21)] * 3), order=st.permutations((0, 1, 2)))
def test_transposes_of_any_sizes(machine: Target, sizes: tuple[int, int, int], order: list[int]) -> None:
    builder = Compute("move")
    x = builder.input("X", TensorType(dims(sizes), FLOAT32))
    shape = tuple(sizes[axis] for axis in order)

    def value(*index: Expr) -> Expr:
        places = dict(zip(order, index, strict=True))
        return x[places[0], places[1], places[2]] * 2.0

    function = scheduled(builder.build(builder.compute("O", shape, value)), machine, "cpu.elementwise")
    array = values(*sizes)
    np.testing.assert_array_equal(run(function, array), 2 * array.transpose(order))


@CALM
@given(machine=MACHINES, rows=st.integers(1, 5), groups=st.integers(1, 9), size=st.integers(1, 40))
def test_shuffles_of_channels(machine: Target, rows: int, groups: int, size: int) -> None:
    builder = Compute("shuffle")
    x = builder.input("X", TensorType(dims((rows, groups * size)), FLOAT32))
    output = builder.compute("O", (rows, groups * size), lambda i, j: x[i, j % groups * size + j // groups])
    function = scheduled(builder.build(output), machine, "cpu.elementwise")
    array = values(rows, groups * size)
    wanted = array.reshape(rows, groups, size).transpose(0, 2, 1).reshape(rows, -1)
    np.testing.assert_array_equal(run(function, array), wanted)


@CALM
@given(machine=MACHINES, size=st.sampled_from([1, 3, 16, 40, 70]), axis=st.integers(0, 1))
def test_reductions_across_an_axis_of_unknown_size(machine: Target, size: int, axis: int) -> None:
    n, m = Var("n"), Var("m")
    builder = Compute("largest")
    x = builder.input("X", TensorType((n, m), FLOAT32))
    if axis == 0:
        output = builder.reduce("O", (m,), (n,), lambda j, i: x[i, j], "max")
    else:
        output = builder.reduce("O", (n,), (m,), lambda i, j: x[i, j], "max")
    function = scheduled(builder.build(output), machine, "cpu.reduction")
    lowered = function
    for step in LOWERING:
        lowered = step.apply(lowered)
    stack = [item.buffer for item in walk(lowered.body) if isinstance(item, Allocate)]
    assert all(isinstance(extent, Const) for buffer in stack for extent in buffer.shape)
    array = values(size, 7)
    np.testing.assert_array_equal(run(function, array), array.max(axis=axis))
