"""Random schedules: whatever primitives allow keeps the meaning of a function, and replays from its trace."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, LOCAL, Compute, For, TensorFunction, TensorType, Var, dims, maximum, walk
from tondo.target import Intrinsic
from tondo_schedule import IndexMap, Sampler, Schedule, primitives, replay
from tondo_schedule.testing import made_up_intrinsics

CALM = settings(derandomize=True, deadline=None, max_examples=60)
INSTRUCTIONS = tuple(made_up_intrinsics().values())
RARE = frozenset({"tensorize", "merge_axes", "drop_unit_axes"})
"""Primitives that this function seldom has a place for; tests of their own take care of them."""


def dense(m: int, n: int, k: int) -> tuple[TensorFunction, list[np.ndarray]]:
    """A product with what comes before and after it, and a reduction of the result."""
    builder = Compute("dense")
    a = builder.input("A", TensorType(dims((m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((k, n)), FLOAT32))
    scaled = builder.compute("S", (m, k), lambda i, r: a[i, r] * 2.0)
    moved = builder.compute("M", (m, k), lambda i, r: scaled[i, r] + 1.0)
    total = builder.reduce("T", (m, n), (k,), lambda i, j, r: moved[i, r] * b[r, j])
    positive = builder.compute("U", (m, n), lambda i, j: maximum(total[i, j], 0.0))
    output = builder.reduce("O", (n,), (m,), lambda j, i: positive[i, j])
    rng = np.random.default_rng(m * 100 + n * 10 + k)
    arrays = [rng.integers(-4, 5, shape).astype(np.float32) for shape in ((m, k), (k, n))]
    return builder.build(output), arrays


def wanted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((2 * a + 1) @ b, 0).sum(0)


def steps_of(schedule: Schedule, data: st.DataObject) -> dict[str, Callable[[], object]]:
    """Return a step for each primitive; its arguments exist, whether it is legal is for the primitive to say."""
    loops = [item.var for item in walk(schedule.function.body) if isinstance(item, For)]
    loop, other = data.draw(st.sampled_from(loops)), data.draw(st.sampled_from(loops))
    block = data.draw(st.sampled_from(schedule.blocks))
    number = data.draw(st.integers(1, 5))
    group = schedule.blocks[schedule.blocks.index(block) :][: 1 + number % 2]
    written = schedule.block(block).writes[0].buffer
    read = (schedule.block(block).reads or schedule.block(block).writes)[-1].buffer.name
    order = IndexMap.permutation(list(reversed(range(written.rank))))
    axes = schedule.block(block).iters
    axis, following = data.draw(st.sampled_from(axes)).var, data.draw(st.sampled_from(axes)).var
    instruction = data.draw(st.sampled_from(INSTRUCTIONS))
    return {
        "split": lambda: schedule.split(loop, number, "shift" if number % 2 else "predicate"),
        "partition": lambda: schedule.partition(loop, number),
        "fuse": lambda: schedule.fuse(loop, other),
        "reorder": lambda: schedule.reorder(loop, other),
        "parallel": lambda: schedule.parallel(loop, number),
        "vectorize": lambda: schedule.vectorize(loop),
        "unroll": lambda: schedule.unroll(loop),
        "divide": lambda: schedule.divide(group, [schedule.loops(name)[0] for name in group], number),
        "prefetch": lambda: schedule.prefetch(read, schedule.loops(block)[0], schedule.loops(block)[-1]),
        "annotate": lambda: schedule.annotate(loop, "note", number),
        "compute_at": lambda: schedule.compute_at(block, loop),
        "reverse_compute_at": lambda: schedule.reverse_compute_at(block, loop),
        "compute_inline": lambda: schedule.compute_inline(block),
        "reverse_compute_inline": lambda: schedule.reverse_compute_inline(block),
        "cache_write": lambda: schedule.cache_write(block, LOCAL),
        "cache_read": lambda: schedule.cache_read(block, read),
        "set_scope": lambda: schedule.set_scope(written.name, LOCAL),
        "transform_layout": lambda: None if written.name == "O" else schedule.transform_layout(written.name, order),
        "decompose_reduction": lambda: schedule.decompose_reduction(block, loop),
        "rfactor": lambda: schedule.rfactor(block, loop),
        "pad": lambda: schedule.pad(block, loop, number),
        "reindex": lambda: schedule.reindex(block, read),
        "bind": lambda: schedule.bind(loop, f"core.{number}"),
        "tile": lambda: schedule.tile((loop, other), (number, 2)),
        "blockize": lambda: schedule.blockize(loop),
        "tensorize": lambda: schedule.tensorize(loop, instruction),
        "tensorize tile": lambda: _instruction(schedule, loop, other, instruction),
        "sample_perfect_tile": lambda: schedule.sample_perfect_tile(loop, number),
        "sample_categorical": lambda: schedule.sample_categorical("number", (1, 2, 3), 2),
        "sample_compute_location": lambda: schedule.sample_compute_location(block),
        "drop_unit_axes": lambda: schedule.drop_unit_axes(block),
        "merge_axes": lambda: schedule.merge_axes((block, axis, following)),
        "split_axis": lambda: schedule.split_axis(block, axis, number),
        "specialize": lambda: schedule.specialize((block,), loop.name, number),
    }


def step(schedule: Schedule, data: st.DataObject, name: str | None = None) -> bool:
    """Take one random step, of the primitive ``name`` if one is given; return whether it was legal."""
    steps = steps_of(schedule, data)
    chosen = name or data.draw(st.sampled_from(sorted(steps)))
    saved = schedule.checkpoint()
    try:
        steps[chosen]()
    except TondoError as error:
        if error.code != "TND-B003":
            raise
        schedule.rollback(saved)
        return False
    return True


def _instruction(schedule: Schedule, loop: Var, other: Var, instruction: Intrinsic) -> None:
    """Make the two loops, with the start of their reduction outside, the instruction."""
    first, second = schedule.split(loop, 4)[1], schedule.split(other, 4)[1]
    schedule.reorder(first, second)
    for block in schedule.blocks:
        if schedule.block(block).init is not None and first in schedule.loops(block):
            schedule.decompose_reduction(block, first)
    schedule.tensorize(first, instruction)


@CALM
@given(
    data=st.data(), sizes=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6)), count=st.integers(1, 9)
)
def test_random_legal_schedules(data: st.DataObject, sizes: tuple[int, int, int], count: int) -> None:
    function, arrays = dense(*sizes)
    schedule = Schedule(function, chooser=Sampler(count))
    for _ in range(count):
        step(schedule, data)
    (result,) = run_tensor_function(schedule.function, arrays)
    np.testing.assert_array_equal(result, wanted(*arrays), err_msg=json.dumps(schedule.trace))
    assert replay(function, json.loads(json.dumps(schedule.trace)), intrinsics=INSTRUCTIONS) == schedule.function


@pytest.mark.parametrize("name", sorted(primitives.__all__))
def test_each_primitive_keeps_the_result(name: str) -> None:
    legal: list[bool] = []

    @settings(derandomize=True, deadline=None, max_examples=12, database=None)
    @given(data=st.data(), sizes=st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(2, 5)))
    def check(data: st.DataObject, sizes: tuple[int, int, int]) -> None:
        function, arrays = dense(*sizes)
        schedule = Schedule(function, chooser=Sampler(sum(sizes)))
        for _ in range(data.draw(st.integers(0, 2))):
            step(schedule, data)
        tries = (name, "tensorize tile") if name == "tensorize" else (name,) * 4
        taken = [step(schedule, data, item) for item in tries]
        legal.append(any(taken))
        (result,) = run_tensor_function(schedule.function, arrays)
        np.testing.assert_array_equal(result, wanted(*arrays), err_msg=json.dumps(schedule.trace))
        trace = json.loads(json.dumps(schedule.trace))
        assert replay(function, trace, intrinsics=INSTRUCTIONS) == schedule.function

    check()
    assert any(legal) or name in RARE, f"no random use of {name} was legal"


def test_the_steps_are_all_primitives() -> None:
    @settings(derandomize=True, max_examples=1, database=None)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        assert set(steps_of(Schedule(dense(2, 2, 2)[0]), data)) == {*primitives.__all__, "tensorize tile"}

    check()
