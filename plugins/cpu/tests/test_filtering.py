"""The filtering rule: products of transformed tiles for any extents and machines, and when it takes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, Compute, Expr, For, TensorFunction, TensorType, Var, dims, walk
from tondo.passes import Miss
from tondo.passes.rule import RecordedChoices
from tondo.target import Caches, Target
from tondo_cpu.filtering.rule import FilteringRule
from tondo_passes.graph.filter_stages import FilterPlan
from tondo_passes.tensor import LOWERING
from tondo_schedule import relayout, transform_layout
from tondo_schedule.facts import SlidingProduct, sliding_product, stages_of

WIDE = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 2)
NARROW = Target("cpu", "any", "any", frozenset(), 128, 16, Caches(32768, 1 << 20, 0), 1)
CALM = settings(derandomize=True, deadline=None, max_examples=8)
RULE = FilteringRule()


def sliding(
    n: int | Var, c: int, o: int, size: tuple[int | Var, ...], taps: int
) -> tuple[TensorFunction, SlidingProduct]:
    """A convolution without padding over ``[n, c, spatial..]``."""
    rank = len(size)
    builder = Compute("conv")
    x = builder.input("x", TensorType(dims((n, c, *size)), FLOAT32))
    w = builder.input("w", TensorType(dims((o, c, *[taps] * rank)), FLOAT32))

    def term(b: Expr, k: Expr, *rest: Expr) -> Expr:
        at, channel, inside = rest[:rank], rest[rank], rest[rank + 1 :]
        return x[(b, channel, *(i + t for i, t in zip(at, inside, strict=True)))] * w[(k, channel, *inside)]

    shape = (n, o, *(s - taps + 1 for s in size))
    function = builder.build(builder.reduce("y", shape, (c, *[taps] * rank), term))
    (stage,) = stages_of(function) or ()
    problem = sliding_product(stage, (stage,))
    assert problem is not None
    return function, problem


def plan_of(problem: SlidingProduct, outputs: int) -> FilterPlan:
    taps = {axis.tap.var for axis in problem.axes}
    (channel,) = (it for it in problem.contraction.k if it.var not in taps)
    (column,) = problem.contraction.n
    return FilterPlan(problem, column, channel, (outputs,) * len(problem.axes))


def run(function: TensorFunction, arrays: list[np.ndarray], *, arranged: bool, target: Target) -> np.ndarray:
    """Schedule, lower and run; if ``arranged``, in the layouts that the rule wishes."""
    wishes = RULE.wishes(function, target) if arranged else ()
    places = {wish.parameter: wish.index_map for wish in wishes}
    for place, index_map in places.items():
        buffer = function.buffers[place]
        if place < len(arrays):
            copy = relayout(TensorType(buffer.shape, buffer.dtype), index_map)
            scalars = dict(zip((var.name for var in copy.scalars), (arrays[place].shape[0],), strict=False))
            arrays[place] = run_tensor_function(copy, [arrays[place]], None, scalars)[0]
        function = transform_layout(function, buffer, index_map)
    result = RULE.apply(function, RecordedChoices(target))
    assert isinstance(result, TensorFunction), result
    for step in LOWERING:
        if step.name not in {"tensor.lift_workspace", "tensor.flatten"}:
            result = step.apply(result)
    return run_tensor_function(result, arrays)[0]


def expected(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    taps, rank = w.shape[2], w.ndim - 2
    windows = np.lib.stride_tricks.sliding_window_view(x, (taps,) * rank, tuple(range(2, 2 + rank)))
    letters = "pq"[:rank]
    return np.einsum(f"nc{'hw'[:rank]}{letters},oc{letters}->no{'hw'[:rank]}", windows.astype(float), w.astype(float))


def arrays_for(n: int, c: int, o: int, size: tuple[int, ...], taps: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(c)
    x = generator.standard_normal((n, c, *size)).astype(np.float32)
    return x, generator.standard_normal((o, c, *[taps] * len(size))).astype(np.float32)


@CALM
@given(
    n=st.integers(1, 2),
    c=st.sampled_from([1, 4, 16, 21]),
    o=st.sampled_from([3, 16, 33]),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    outputs=st.sampled_from([2, 4]),
    target=st.sampled_from([WIDE, NARROW]),
)
def test_two_axes(n: int, c: int, o: int, size: tuple[int, int], outputs: int, target: Target) -> None:
    x, w = arrays_for(n, c, o, size, 3)
    _, problem = sliding(n, c, o, size, 3)
    plan = plan_of(problem, outputs)
    found = run(plan.function("filter"), [x, plan.weights(w)], arranged=False, target=target)
    np.testing.assert_allclose(found, expected(x, w), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("target", [WIDE, NARROW], ids=["wide", "narrow"])
def test_wished_layouts(size: int, target: Target) -> None:
    x, w = arrays_for(2, 20, 24, (size, size), 3)
    _, problem = sliding(2, 20, 24, (size, size), 3)
    plan = plan_of(problem, 4)
    found = run(plan.function("filter"), [x, plan.weights(w)], arranged=True, target=target)
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected(x, w), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("taps", [3, 5])
def test_one_axis(taps: int) -> None:
    x, w = arrays_for(2, 16, 16, (13,), taps)
    _, problem = sliding(2, 16, 16, (13,), taps)
    plan = plan_of(problem, 2)
    found = run(plan.function("filter"), [x, plan.weights(w)], arranged=False, target=WIDE)
    np.testing.assert_allclose(found, expected(x, w), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n", "h", "w"), [(1, 4, 9), (3, 6, 5)])
def test_symbolic_sizes(n: int, h: int, w: int) -> None:
    x, weights = arrays_for(n, 16, 16, (h, w), 3)
    _, problem = sliding(Var("n"), 16, 16, (Var("h"), Var("w")), 3)
    plan = plan_of(problem, 4)
    found = run(plan.function("filter"), [x, plan.weights(weights)], arranged=False, target=WIDE)
    np.testing.assert_allclose(found, expected(x, weights), rtol=1e-4, atol=1e-4)


def test_one_tile_is_straight_line_code_shared_by_threads() -> None:
    _, problem = sliding(1, 64, 64, (58, 58), 3)
    function = plan_of(problem, 4).function("filter")
    result = RULE.apply(function, RecordedChoices(WIDE))
    assert isinstance(result, TensorFunction)
    parallel = [loop for loop in walk(result.body) if isinstance(loop, For) and loop.kind == "parallel"]
    assert len(parallel) == 3


def chosen(c: int, o: int, size: int, taps: int = 3, choices: tuple[int, ...] = (1, 2, 3, 4)) -> int:
    _, problem = sliding(1, c, o, (size + taps - 1,) * 2, taps)
    return RULE.filtering(problem, [(choice, choice) for choice in choices], WIDE)[0]


def test_takes_more_outputs_where_the_image_is_large_and_fewer_where_tiles_would_be_empty() -> None:
    assert chosen(64, 64, 56) == 4
    assert chosen(256, 256, 28) == 4
    assert chosen(512, 512, 7) == 2
    assert chosen(64, 64, 28, 5, (1, 2)) == 2


def test_few_channels_or_columns_stay_direct() -> None:
    assert chosen(3, 64, 224) == 1
    assert chosen(64, 8, 56) == 1


def test_other_functions_are_missed() -> None:
    function, _ = sliding(1, 16, 16, (8, 8), 3)
    assert isinstance(RULE.apply(function, RecordedChoices(WIDE)), Miss)
    assert RULE.wishes(function, WIDE) == ()
