"""Loop primitives keep the meaning of functions, and refuse what would not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, Compute, For, If, TensorFunction, TensorType, Var, dims, walk
from tondo.passes import RecordedChoices
from tondo.target import Interpreter
from tondo_schedule import Sampler, Schedule, replay

CALM = settings(derandomize=True, deadline=None, max_examples=25)


def scale(extent: int | Var) -> TensorFunction:
    """``B[i] = A[i] * 2``."""
    builder = Compute("scale")
    a = builder.input("A", TensorType(dims((extent,)), FLOAT32))
    return builder.build(builder.compute("B", (extent,), lambda i: a[i] * 2.0))


def matmul(m: int, n: int, k: int) -> TensorFunction:
    """``C = A @ B``."""
    builder = Compute("matmul")
    a = builder.input("A", TensorType(dims((m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((k, n)), FLOAT32))
    return builder.build(builder.reduce("C", (m, n), (k,), lambda i, j, r: a[i, r] * b[r, j]))


def values(*shape: int) -> np.ndarray:
    """Small integers, on which float sums are exact in any order."""
    return np.random.default_rng(len(shape)).integers(-8, 8, shape).astype(np.float32)


def check_matmul(function: TensorFunction, m: int, n: int, k: int) -> None:
    a, b = values(m, k), values(k, n)
    (result,) = run_tensor_function(function, [a, b])
    np.testing.assert_array_equal(result, a @ b)


@CALM
@given(extent=st.integers(1, 40), factor=st.integers(1, 12), tail=st.sampled_from(["predicate", "shift"]))
def test_split_covers_every_element_once_or_harmlessly_twice(extent: int, factor: int, tail: str) -> None:
    schedule = Schedule(scale(extent))
    if tail == "shift" and extent < factor:
        with pytest.raises(TondoError, match="not proven to be at least"):
            schedule.split(Var("B_l0"), factor, "shift")
        return
    schedule.split(Var("B_l0"), factor, tail)  # type: ignore[arg-type]
    x = values(extent)
    (result,) = run_tensor_function(schedule.function, [x])
    np.testing.assert_array_equal(result, x * 2)


@pytest.mark.parametrize("size", [4, 5, 8, 11])
def test_split_of_a_symbolic_loop(size: int) -> None:
    n = Var("n")
    with pytest.raises(TondoError) as caught:
        Schedule(scale(n)).split(Var("B_l0"), 4, "shift")
    assert caught.value.code == "TND-B003"
    schedule = Schedule(scale(n), assume=[n >= 4])
    schedule.split(Var("B_l0"), 4, "shift")
    x = values(size)
    (result,) = run_tensor_function(schedule.result, [x])
    np.testing.assert_array_equal(result, x * 2)


def test_shifted_split_has_no_condition() -> None:
    schedule = Schedule(scale(10))
    schedule.split(Var("B_l0"), 4, "shift")
    assert not any(isinstance(item, If) for item in walk(schedule.function.body))
    assert schedule.block("B").predicate is None


def test_shifted_split_of_a_reduction_is_refused() -> None:
    with pytest.raises(TondoError, match="block 'C' reduces over it"):
        Schedule(matmul(4, 4, 10)).split(Var("C_k0"), 4, "shift")


def test_shifted_split_inside_its_reduction_is_refused() -> None:
    schedule = Schedule(matmul(10, 4, 4))
    schedule.reorder(Var("C_k0"), Var("C_l0"))
    with pytest.raises(TondoError, match="reduction begins outside"):
        schedule.split(Var("C_l0"), 4, "shift")


def test_reorder_keeps_reductions_inside_overlapping_tiles() -> None:
    schedule = Schedule(matmul(10, 4, 4))
    outer, inner = schedule.split(Var("C_l0"), 4, "shift")
    schedule.reorder(outer, Var("C_k0"), inner)
    with pytest.raises(TondoError, match="the tiles of 'C_l0_0' overlap"):
        schedule.reorder(Var("C_k0"), outer)
    check_matmul(schedule.function, 10, 4, 4)


@CALM
@given(
    m=st.integers(1, 9),
    n=st.integers(1, 9),
    k=st.integers(1, 9),
    tile=st.integers(1, 5),
    order=st.permutations(range(4)),
    fuse=st.booleans(),
)
def test_matmul_in_any_loop_order(m: int, n: int, k: int, tile: int, order: list[int], *, fuse: bool) -> None:
    schedule = Schedule(matmul(m, n, k))
    i, j, r = schedule.loops("C")
    outer, inner = schedule.split(j, tile)
    loops = [i, outer, inner, r]
    schedule.reorder(*(loops[place] for place in order))
    if fuse:
        first, second, *_ = schedule.loops("C")
        schedule.fuse(first, second)
    check_matmul(schedule.function, m, n, k)


def test_fuse_needs_direct_nesting() -> None:
    with pytest.raises(TondoError, match="'C_k0' is not directly inside 'C_l0'"):
        Schedule(matmul(2, 3, 4)).fuse(Var("C_l0"), Var("C_k0"))


def test_parallel_over_a_reduction_is_refused() -> None:
    with pytest.raises(TondoError, match="block 'C' reduces over it into 'C'"):
        Schedule(matmul(2, 3, 4)).parallel(Var("C_k0"))


def test_parallel_overlapping_update_is_refused_unless_local() -> None:
    schedule = Schedule(matmul(10, 3, 4))
    outer, _ = schedule.split(Var("C_l0"), 4, "shift")
    with pytest.raises(TondoError, match="tiles overlap and block 'C' updates 'C'"):
        schedule.parallel(outer)
    copy = schedule.cache_write("C", "local")
    schedule.reverse_compute_at(copy, outer)
    schedule.parallel(outer, 2)
    check_matmul(schedule.function, 10, 3, 4)


def test_vectorize_and_unroll_need_constant_extents() -> None:
    schedule = Schedule(scale(Var("n")))
    for step in (schedule.vectorize, schedule.unroll):
        with pytest.raises(TondoError, match="its extent is not constant"):
            step(Var("B_l0"))


def test_kinds_and_annotations_are_recorded() -> None:
    schedule = Schedule(matmul(4, 8, 2))
    i, j, r = schedule.loops("C")
    schedule.parallel(i, 2)
    schedule.unroll(r)
    schedule.reorder(r, j)
    schedule.vectorize(j)
    schedule.annotate(i, "hint", 3)
    schedule.annotate("C", "kind", "dense")
    loops = [item for item in walk(schedule.function.body) if isinstance(item, For)]
    assert [loop.kind for loop in loops] == ["parallel", "unrolled", "vectorized"]
    assert dict(loops[0].attrs) == {"grain": 2, "hint": 3}
    assert schedule.block("C").attrs["kind"] == "dense"
    check_matmul(schedule.function, 4, 8, 2)


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(TondoError, match="the blocks are: C"):
        Schedule(matmul(2, 3, 4)).compute_inline("D")
    with pytest.raises(TondoError, match="there is no such loop"):
        Schedule(matmul(2, 3, 4)).split(Var("z"), 2)


def test_a_trace_is_json_and_replays() -> None:
    function = matmul(10, 33, 7)
    schedule = Schedule(function)
    i, j, r = schedule.loops("C")
    copy = schedule.cache_write("C", "local")
    i0, i1 = schedule.split(i, 4, "shift")
    j0, j1 = schedule.split(j, 16)
    schedule.reorder(i0, j0, r, i1, j1)
    schedule.reverse_compute_at(copy, j0)
    schedule.decompose_reduction("C", r)
    schedule.vectorize(j1)
    schedule.annotate(i1, "hint", 1)
    trace = json.loads(json.dumps(schedule.trace))
    assert replay(function, trace) == schedule.function
    trace[0]["results"] = ["other"]
    with pytest.raises(TondoError, match="recorded were"):
        replay(function, trace)
    check_matmul(schedule.function, 10, 33, 7)


@CALM
@given(extent=st.integers(1, 12), point=st.integers(-1, 13))
def test_partition_runs_every_iteration_once(extent: int, point: int) -> None:
    schedule = Schedule(scale(extent))
    if not 0 < point < extent:
        with pytest.raises(TondoError, match="is not proven to lie inside it"):
            schedule.partition(Var("B_l0"), point)
        return
    second, names = schedule.partition(Var("B_l0"), point)
    assert schedule.loops(names[0]) == (second,)
    x = values(extent)
    (result,) = run_tensor_function(schedule.function, [x])
    np.testing.assert_array_equal(result, x * 2)
    assert replay(scale(extent), json.loads(json.dumps(schedule.trace))) == schedule.function


def test_partition_refuses_a_loop_that_starts_a_reduction() -> None:
    schedule = Schedule(matmul(3, 4, 5))
    with pytest.raises(TondoError, match="block 'C' starts its reduction in it"):
        schedule.partition(Var("C_k0"), 2)


def test_bind_takes_independent_iterations() -> None:
    function = matmul(4, 8, 2)
    schedule = Schedule(function)
    i, j, r = schedule.loops("C")
    schedule.bind(i, "core.x")
    assert schedule.loop(i).kind == "bind:core.x"
    with pytest.raises(TondoError, match=r"loop 'C_l0' of the same nest is bound to 'core\.x'"):
        schedule.bind(j, "core.x")
    with pytest.raises(TondoError, match="bind of loop 'C_k0': block 'C' reduces over it into 'C'"):
        schedule.bind(r, "core.y")
    with pytest.raises(TondoError, match="'core x' is not the name of an axis"):
        schedule.bind(j, "core x")
    schedule.bind(j, "core.y")
    check_matmul(schedule.function, 4, 8, 2)
    assert replay(function, json.loads(json.dumps(schedule.trace))) == schedule.function


@CALM
@given(sizes=st.tuples(*[st.integers(1, 9)] * 3), tiles=st.tuples(*[st.integers(1, 5)] * 3))
def test_tile_keeps_the_result(sizes: tuple[int, int, int], tiles: tuple[int, int, int]) -> None:
    function = matmul(*sizes)
    schedule = Schedule(function)
    outer, inner = schedule.tile(schedule.loops("C"), tiles)
    assert schedule.loops("C") == (*outer, *inner)
    check_matmul(schedule.function, *sizes)
    assert replay(function, json.loads(json.dumps(schedule.trace))) == schedule.function


def test_tile_takes_a_size_per_loop() -> None:
    schedule = Schedule(matmul(2, 2, 2))
    with pytest.raises(TondoError, match="tile of 3 loops: 2 sizes are given"):
        schedule.tile(schedule.loops("C"), (2, 2))


@CALM
@given(seed=st.integers(0, 1000))
def test_samples_are_recorded_and_replayed(seed: int) -> None:
    function = matmul(12, 8, 4)
    schedule = Schedule(function, chooser=Sampler(seed))
    i, j, r = schedule.loops("C")
    rows = schedule.sample_perfect_tile(i, 2, 6)
    assert rows[0] * rows[1] == 12
    lanes = schedule.sample_categorical("lanes", (2, 4, 8), 8)
    order = schedule.sample_categorical("order", ((0, 1), (1, 0)), (0, 1))
    outer, inner = schedule.tile((i, j), (rows[1], lanes))
    schedule.reorder(*(outer[place] for place in order))
    assert schedule.sample_compute_location("C") is None
    again = Schedule(function, chooser=Sampler(seed))
    assert again.sample_perfect_tile(i, 2, 6) == rows
    assert replay(function, json.loads(json.dumps(schedule.trace))) == schedule.function
    assert inner
    assert r in schedule.loops("C")
    check_matmul(schedule.function, 12, 8, 4)


def test_without_a_search_samples_are_priors() -> None:
    schedule = Schedule(matmul(12, 8, 4))
    i = schedule.loops("C")[0]
    assert schedule.sample_perfect_tile(i, 2) == (3, 4)
    assert schedule.sample_perfect_tile(i, 3, 1) == (3, 4, 1)
    assert schedule.sample_categorical("lanes", (2, 4), 4) == 4
    context = RecordedChoices(Interpreter().make("generic"), recorded={"lanes": 2})
    assert Schedule(matmul(2, 2, 2), chooser=context).sample_categorical("lanes", (2, 4), 4) == 2
    assert context.taken == {"lanes": 2}


def test_decisions_are_checked() -> None:
    schedule = Schedule(matmul(12, 8, 4))
    i = schedule.loops("C")[0]
    with pytest.raises(TondoError, match=r"\(5, 2\) is not a split of 12 into 2 parts"):
        schedule.sample_perfect_tile(i, 2, decision=(5, 2))
    with pytest.raises(TondoError, match="3 is not among the candidates"):
        schedule.sample_categorical("lanes", (2, 4), 4, decision=3)
    with pytest.raises(TondoError, match="it cannot be computed at loop 'C_l0'"):
        schedule.sample_compute_location("C", decision="C_l0")
    with pytest.raises(TondoError, match="its extent is not constant"):
        Schedule(scale(Var("n"))).sample_perfect_tile(Var("B_l0"), 2)


def test_locations_are_those_that_are_legal() -> None:
    builder = Compute("chain")
    a = builder.input("A", TensorType(dims((8,)), FLOAT32))
    t = builder.compute("T", (8,), lambda i: a[i] * 2.0)
    function = builder.build(builder.compute("B", (8,), lambda i: t[i] + 1.0))
    found: set[str] = set()
    for seed in range(20):
        schedule = Schedule(function, chooser=Sampler(seed))
        loop = schedule.sample_compute_location("T")
        found.add("" if loop is None else loop.name)
        if loop is not None:
            schedule.compute_at("T", loop)
        (result,) = run_tensor_function(schedule.function, [values(8)])
        np.testing.assert_array_equal(result, values(8) * 2 + 1)
    assert found == {"", "B_l0"}
