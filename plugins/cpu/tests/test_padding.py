"""Windows over padded images, read without a padded copy where that is possible, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, Allocate, Compute, Const, For, Select, TensorFunction, TensorType, Var, dims, select, walk
from tondo.passes import Miss
from tondo.passes.rule import RecordedChoices
from tondo.target import Caches, Target
from tondo_cpu.plugin import register_schedule_rules
from tondo_passes.tensor import LOWERING

WIDE = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 1)
THREADS = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 2)
NARROW = Target("cpu", "any", "any", frozenset(), 256, 16, Caches(32768, 1 << 20, 0), 1)
UNMASKED = Target("cpu", "any", "any", frozenset(), 128, 16, Caches(32768, 1 << 20, 0), 1)


def windows(size: int, channels: int, step: int, *, maximum: bool) -> TensorFunction:
    """Return a 3x3 pooling, or a depthwise convolution, with one pixel of padding on each side."""
    builder = Compute("f")
    x = builder.input("X", TensorType(dims((size, size, channels)), FLOAT32))
    w = builder.input("W", TensorType(dims((3, 3, channels)), FLOAT32))
    edge = Const(float("-inf") if maximum else 0.0, FLOAT32)

    def inside(i: Var, j: Var, c: Var) -> Select:
        value = select((i >= 1) & (i <= size) & (j >= 1) & (j <= size), x[i - 1, j - 1, c], edge)
        assert isinstance(value, Select)
        return value

    padded = builder.compute("P", (size + 2, size + 2, channels), inside)
    count = (size - 1) // step + 1
    out = builder.reduce(
        "Y",
        (count, count, channels),
        (3, 3),
        (lambda i, j, c, p, q: padded[i * step + p, j * step + q, c])
        if maximum
        else (lambda i, j, c, p, q: padded[i * step + p, j * step + q, c] * w[p, q, c]),
        "max" if maximum else "sum",
    )
    return builder.build(builder.compute("Z", (count, count, channels), lambda i, j, c: out[i, j, c] + 1.0))


def expected(x: np.ndarray, w: np.ndarray, step: int, *, maximum: bool) -> np.ndarray:
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf if maximum else 0)
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))[::step, ::step]
    result = view.max(axis=(-1, -2)) if maximum else np.einsum("ijcpq,pqc->ijc", view, w)
    return result + 1


def scheduled(function: TensorFunction, target: Target) -> TensorFunction:
    for rule in sorted(register_schedule_rules(), key=lambda item: -item.priority):
        result = rule.apply(function, RecordedChoices(target))
        if not isinstance(result, Miss):
            return result
    pytest.fail("no rule applies")


def lowered(function: TensorFunction) -> TensorFunction:
    for step in LOWERING:
        if step.name not in {"tensor.lift_workspace", "tensor.flatten"}:
            function = step.apply(function)
    return function


def memory(function: TensorFunction) -> int:
    """Return the bytes of the largest allocation of a lowered function."""
    sizes = [item.buffer for item in walk(function.body) if isinstance(item, Allocate)]
    return max(int(np.prod([int(extent.value) for extent in buffer.shape])) * 4 for buffer in sizes)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    size=st.integers(1, 30),
    channels=st.sampled_from([4, 16, 17, 40]),
    step=st.integers(1, 2),
    maximum=st.booleans(),
    target=st.sampled_from([WIDE, THREADS, NARROW, UNMASKED]),
)
def test_windows(size: int, channels: int, step: int, target: Target, *, maximum: bool) -> None:
    rng = np.random.default_rng(size)
    x = rng.integers(-8, 8, (size, size, channels)).astype(np.float32)
    w = rng.integers(-8, 8, (3, 3, channels)).astype(np.float32)
    function = lowered(scheduled(windows(size, channels, step, maximum=maximum), target))
    np.testing.assert_array_equal(run_tensor_function(function, [x, w])[0], expected(x, w, step, maximum=maximum))


@pytest.mark.parametrize("maximum", [False, True])
@pytest.mark.parametrize("target", [WIDE, NARROW])
def test_a_large_image_is_not_copied(target: Target, *, maximum: bool) -> None:
    function = lowered(scheduled(windows(56, 32, 1, maximum=maximum), target))
    assert memory(function) < 58 * 58 * 32 * 4


def test_copies_stay_where_loads_have_no_masks_or_most_tiles_touch_the_border() -> None:
    assert memory(lowered(scheduled(windows(56, 32, 1, maximum=True), UNMASKED))) == 58 * 58 * 32 * 4
    assert memory(lowered(scheduled(windows(2, 32, 1, maximum=True), WIDE))) == 4 * 4 * 32 * 4


def test_the_inside_has_no_condition_on_columns() -> None:
    function = lowered(scheduled(windows(56, 32, 1, maximum=False), WIDE))
    conditions = [item.condition for item in walk(function.body) if isinstance(item, Select)]
    loops = [{item.name for item in walk(condition) if isinstance(item, Var)} for condition in conditions]
    assert min(len(names) for names in loops) < max(len(names) for names in loops)


@pytest.mark.parametrize("size", [7, 14, 56])
@pytest.mark.parametrize("target", [WIDE, NARROW])
def test_a_window_of_products_is_written_out_and_no_image_is_copied(target: Target, size: int) -> None:
    function = lowered(scheduled(windows(size, 64, 1, maximum=False), target))
    assert memory(function) <= 8 * target.vector_bits // 8
    unrolled = [item.var.name for item in walk(function.body) if isinstance(item, For) and item.kind == "unrolled"]
    assert any("_k1" in name for name in unrolled)
