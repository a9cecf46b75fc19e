"""Row chains against numpy in double precision: any extents, masks, layouts and machines."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.arith import Analyzer
from tondo.interp import run_tensor_function
from tondo.ir import (
    BOOL,
    FLOAT32,
    Allocate,
    Buffer,
    Compute,
    Const,
    Expr,
    For,
    TensorFunction,
    TensorType,
    Var,
    const,
    dims,
    floordiv,
    intrin,
    select,
    walk,
)
from tondo.passes import Miss
from tondo.passes.rule import RecordedChoices
from tondo.target import Caches, Target
from tondo_cpu.chain.plan import Plan, chunks_of, keys_of, rows_of, tiles_of
from tondo_cpu.chain.quotient import Quotient, quotient_of
from tondo_cpu.chain.rule import RowChainRule
from tondo_cpu.contraction.rule import ContractionRule
from tondo_cpu.machine import Machine
from tondo_passes.tensor import LOWERING, CompactBuffers, LiftWorkspace
from tondo_schedule.facts import row_chain_of, stages_of

WIDE = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 2)
NARROW = Target("cpu", "any", "any", frozenset(), 128, 16, Caches(32768, 1 << 20, 0), 1)
SMALL = Target("cpu", "any", "any", frozenset(), 256, 16, Caches(4096, 8192, 0), 3)
MACHINES = st.sampled_from([WIDE, NARROW, SMALL])
CALM = settings(derandomize=True, deadline=None, max_examples=20)


@dataclass(frozen=True)
class Case:
    """An attention: sizes, and what of it is unknown at compile time."""

    batch: int = 2
    heads: int = 2
    shared: int = 1
    queries: int = 5
    keys: int = 7
    depth: int = 4
    width: int = 4
    mask: str = "none"
    keys_layout: str = "bhnd"
    values_layout: str = "bhnd"
    free: bool = False
    maximum: bool = True
    transposed: bool = False
    rescued: bool = True


def attention(case: Case) -> TensorFunction:
    """The stages of an attention in one function, each as it comes from its operator."""
    b, q, n = (Var("b"), Var("q"), Var("n")) if case.free else (case.batch, case.queries, case.keys)
    heads, group = case.heads * case.shared, case.heads
    builder = Compute("attention")
    queries = builder.input("Q", TensorType(dims((b, heads, q, case.depth)), FLOAT32))
    sizes = {"b": b, "h": group, "n": n, "d": case.depth}
    keys = builder.input("K", TensorType(dims([sizes[axis] for axis in case.keys_layout]), FLOAT32))
    sizes["d"] = case.width
    values = builder.input("V", TensorType(dims([sizes[axis] for axis in case.values_layout]), FLOAT32))

    def key(i: Expr, h: Expr, j: Expr, d: Expr) -> Expr:
        place = {"b": i, "h": floordiv(h, case.shared), "n": j, "d": d}
        return keys[tuple(place[axis] for axis in case.keys_layout)]

    def value(i: Expr, h: Expr, j: Expr, d: Expr) -> Expr:
        place = {"b": i, "h": floordiv(h, case.shared), "n": j, "d": d}
        return values[tuple(place[axis] for axis in case.values_layout)]

    whole = (b, heads, q, n)
    s = builder.reduce("S", whole, (case.depth,), lambda i, h, r, j, d: queries[i, h, r, d] * key(i, h, j, d), "sum")
    s = builder.compute("scaled", whole, lambda i, h, r, j: s[i, h, r, j] * (1 / math.sqrt(case.depth)))
    s = masked(builder, s, case, whole)
    if case.maximum:
        s = below_maximum(builder, s, whole)
    e = builder.compute("e", whole, lambda i, h, r, j: intrin("exp", s[i, h, r, j]))
    total = builder.reduce("total", (b, heads, q), (n,), lambda i, h, r, j: e[i, h, r, j], "sum")
    p = builder.compute("P", whole, lambda i, h, r, j: e[i, h, r, j] / total[i, h, r])
    if case.rescued:
        p = without_nan(builder, p, whole)
    shape = (b, heads, q, case.width)
    o = builder.reduce("O", shape, (n,), lambda i, h, r, w, j: p[i, h, r, j] * value(i, h, j, w), "sum")
    if case.transposed:
        o = builder.compute("Y", (b, q, heads, case.width), lambda i, r, h, w: o[i, h, r, w] + 1.0)
    return builder.build(o)


def without_nan(builder: Compute, p: Buffer, whole: tuple[Expr | int, ...]) -> Buffer:
    missing = builder.compute("missing", whole, lambda i, h, r, j: intrin("isnan", p[i, h, r, j], dtype=BOOL))
    return builder.compute("kept", whole, lambda i, h, r, j: select(missing[i, h, r, j], const(0.0), p[i, h, r, j]))


def below_maximum(builder: Compute, s: Buffer, whole: tuple[Expr | int, ...]) -> Buffer:
    *rows, n = whole
    top = builder.reduce("top", (*rows, 1), (n,), lambda i, h, r, z, j: s[i, h, r, j], "max")
    return builder.compute("less", whole, lambda i, h, r, j: s[i, h, r, j] - top[i, h, r, 0])


def masked(builder: Compute, s: Buffer, case: Case, whole: tuple[Expr | int, ...]) -> Buffer:
    b, _, q, n = whole
    match case.mask:
        case "none":
            return s
        case "keys":
            mask = builder.input("mask", TensorType(dims((b, 1, 1, n)), FLOAT32))
            return builder.compute("masked", whole, lambda i, h, r, j: s[i, h, r, j] + mask[i, 0, 0, j])
        case "full":
            mask = builder.input("mask", TensorType(dims((q, n)), FLOAT32))
            return builder.compute("masked", whole, lambda i, h, r, j: s[i, h, r, j] + mask[r, j])
        case _:
            return builder.compute(
                "masked",
                whole,
                lambda i, h, r, j: select(j <= r, s[i, h, r, j], const(float("-inf"))),
            )


def inputs(case: Case) -> list[np.ndarray]:
    generator = np.random.default_rng(case.queries * 31 + case.keys)
    sizes = {"b": case.batch, "h": case.heads, "n": case.keys, "d": case.depth}
    found = [generator.standard_normal((case.batch, case.heads * case.shared, case.queries, case.depth))]
    found.append(generator.standard_normal([sizes[axis] for axis in case.keys_layout]))
    sizes["d"] = case.width
    found.append(generator.standard_normal([sizes[axis] for axis in case.values_layout]))
    shapes = {"keys": (case.batch, 1, 1, case.keys), "full": (case.queries, case.keys)}
    if case.mask in shapes:
        drawn = generator.random(shapes[case.mask]) < 0.3
        if case.maximum:
            drawn[0] = True  # rows without any key
        found.append(np.where(drawn, -np.inf, 0.0))
    return [array.astype(np.float32) for array in found]


def expected(case: Case, arrays: list[np.ndarray]) -> np.ndarray:
    q, k, v, *mask = (array.astype(np.float64) for array in arrays)
    k = np.repeat(k.transpose([case.keys_layout.index(axis) for axis in "bhnd"]), case.shared, 1)
    v = np.repeat(v.transpose([case.values_layout.index(axis) for axis in "bhnd"]), case.shared, 1)
    s = np.einsum("bhrd,bhnd->bhrn", q, k) / math.sqrt(case.depth)
    if mask:
        s = s + mask[0]
    if case.mask == "causal":
        s = np.where(np.tril(np.ones(s.shape[-2:])) > 0, s, -np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        e = np.exp(s - s.max(-1, keepdims=True) if case.maximum else s)
        p = e / e.sum(-1, keepdims=True)
    o = np.einsum("bhrn,bhnd->bhrd", np.where(np.isnan(p), 0.0, p) if case.rescued else p, v)
    return o.transpose(0, 2, 1, 3) + 1.0 if case.transposed else o


def scheduled(function: TensorFunction, target: Target) -> TensorFunction:
    result = RowChainRule().apply(function, RecordedChoices(target))
    assert isinstance(result, TensorFunction), result
    return result


def run(function: TensorFunction, arrays: list[np.ndarray], **scalars: int) -> np.ndarray:
    for step in LOWERING:
        if step.name not in {"tensor.lift_workspace", "tensor.flatten"}:
            function = step.apply(function)
    with np.errstate(invalid="ignore", over="ignore"):
        return run_tensor_function(function, arrays, None, scalars)[0]


def check(case: Case, target: Target) -> None:
    arrays = inputs(case)
    sizes = {"b": case.batch, "q": case.queries, "n": case.keys} if case.free else {}
    found = run(scheduled(attention(case), target), arrays, **sizes)
    np.testing.assert_allclose(found, expected(case, arrays), rtol=2e-5, atol=2e-6)


CASES = st.builds(
    Case,
    batch=st.integers(1, 2),
    heads=st.just(1),
    shared=st.integers(1, 3),
    queries=st.sampled_from([1, 2, 3, 4, 5, 9]),
    keys=st.sampled_from([1, 2, 7, 16, 17]),
    depth=st.sampled_from([1, 3, 4]),
    width=st.sampled_from([1, 3, 8]),
    mask=st.sampled_from(["none", "keys", "full", "causal"]),
    keys_layout=st.sampled_from(["bhnd", "bnhd", "bhdn"]),
    values_layout=st.sampled_from(["bhnd", "bnhd"]),
    free=st.booleans(),
    maximum=st.booleans(),
    transposed=st.booleans(),
    rescued=st.booleans(),
)


@CALM
@given(case=CASES, target=MACHINES)
def test_any_attention(case: Case, target: Target) -> None:
    check(case, target)


@pytest.mark.parametrize("queries", [1, 3, 4, 11])
@pytest.mark.parametrize("free", [False, True])
def test_numbers_of_rows(queries: int, free: bool) -> None:
    check(Case(batch=1, heads=1, queries=queries, keys=20, depth=2, width=2, mask="full", free=free), WIDE)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("width", [3, 8, 11])
def test_more_keys_than_a_block(free: bool, width: int) -> None:
    case = Case(batch=1, heads=1, queries=7, keys=70, depth=2, width=width, free=free, transposed=free)
    assert decisions(case, SMALL).keys < case.keys
    check(case, SMALL)


def quotient(case: Case) -> Quotient | None:
    stages = stages_of(attention(case))
    chain = None if stages is None else row_chain_of(stages, Analyzer())
    assert chain is not None
    return quotient_of(chain)


@pytest.mark.parametrize(("rescued", "spared"), [(False, 1), (True, 3)])
def test_results_are_divided_in_place_of_rows(rescued: bool, spared: int) -> None:
    case = Case(rescued=rescued, mask="keys")
    found = quotient(case)
    assert found is not None
    assert (len(found.stages), found.cleared) == (spared, rescued)
    for target in (WIDE, SMALL):
        check(case, target)


def test_rows_that_may_grow_are_divided_themselves() -> None:
    """Without the maximum subtracted, sums of exponentials overflow where sums of quotients do not."""
    assert quotient(Case(maximum=False)) is None
    assert quotient(Case(maximum=False, rescued=False)) is None


def test_rows_without_any_key_are_those_of_the_stages_in_turn() -> None:
    case = Case(mask="full")
    arrays = inputs(case)
    plain = run_tensor_function(attention(case), arrays)[0]
    assert np.isfinite(plain).all()
    np.testing.assert_allclose(run(scheduled(attention(case), WIDE), arrays), plain, rtol=1e-5, atol=1e-6)


def scratch(function: TensorFunction) -> int:
    """Bytes of workspace."""
    function = LiftWorkspace().apply(CompactBuffers().apply(function))
    total = 0
    for buffer in function.buffers[len(function.buffers) - int(str(function.attrs.get("workspace", 0))) :]:
        count = buffer.dtype.bytes
        for extent in buffer.shape:
            assert isinstance(extent, Const)
            count *= int(extent.value)
        total += count
    return total


def test_scratch_memory_does_not_grow_with_the_rows() -> None:
    def strips(queries: int) -> int:
        case = Case(heads=8, queries=queries, keys=1024, depth=64, width=64)
        packed = case.batch * case.heads * case.keys * case.depth * 4
        return scratch(scheduled(attention(case), WIDE)) - packed

    assert strips(4096) <= 1.1 * strips(1024)
    assert strips(4096) < 16 * 1024 * 1024 < 2 * 8 * 4096 * 1024 * 4


def test_large_chains_are_parallel_and_small_ones_are_not() -> None:
    def parallel(case: Case) -> bool:
        function = scheduled(attention(case), WIDE)
        return any(isinstance(item, For) and item.kind == "parallel" for item in walk(function.body))

    assert not parallel(Case())
    assert parallel(Case(heads=12, queries=512, keys=512, depth=64, width=64))


def test_keys_of_heads_that_share_them_are_packed_once() -> None:
    case = Case(heads=2, shared=3, queries=64, keys=64, depth=16)
    function = scheduled(attention(case), WIDE)
    (panels,) = {
        item.buffer for item in walk(function.body) if isinstance(item, Allocate) and item.buffer.name == "K_panels"
    }
    assert panels.shape[:2] == dims((2, 2))


def decisions(case: Case, target: Target) -> Plan:
    function = attention(case)
    stages = stages_of(function)
    assert stages is not None
    chain = row_chain_of(stages)
    assert chain is not None
    machine, known = Machine.of(target, FLOAT32), Analyzer()
    tiles = tiles_of(chain, machine, known)
    rows = rows_of(chain, tiles, machine, known)
    return Plan(rows, *tiles, chunks_of(chain, rows, machine, known), keys_of(chain, machine, known), machine.lanes)


@pytest.mark.parametrize("queries", [4, 6, 7, 40, 128, 197, 512, 4096])
def test_strips_fit_the_second_cache_and_waste_little(queries: int) -> None:
    plan = decisions(Case(heads=12, queries=queries, keys=queries, depth=64, width=64), WIDE)
    assert plan.rows * queries * 4 <= WIDE.caches.l2
    tile = plan.scores.rows
    whole, rest = divmod(queries, plan.rows)
    computed = (whole * -(-plan.rows // tile) + -(-rest // tile)) * tile
    assert computed <= max(queries + tile - 1, 1.13 * queries)


def test_what_is_no_chain_is_left_to_others() -> None:
    case = Case()
    function = attention(case)
    for other in (replace(function, outputs=2), single()):
        assert isinstance(RowChainRule().apply(other, RecordedChoices(WIDE)), Miss)
    assert not RowChainRule().fuses(single(), WIDE)
    assert RowChainRule().fuses(function, WIDE)
    assert isinstance(ContractionRule().apply(single(), RecordedChoices(WIDE)), TensorFunction)


def test_values_across_memory_are_refused_with_the_reason() -> None:
    result = RowChainRule().apply(attention(Case(values_layout="bhdn")), RecordedChoices(WIDE))
    assert result == Miss("the values are not contiguous along the result")


def single() -> TensorFunction:
    builder = Compute("dense")
    a = builder.input("A", TensorType(dims((8, 8)), FLOAT32))
    b = builder.input("B", TensorType(dims((8, 8)), FLOAT32))
    return builder.build(builder.reduce("T", (8, 8), (8,), lambda i, j, r: a[i, r] * b[r, j]))
