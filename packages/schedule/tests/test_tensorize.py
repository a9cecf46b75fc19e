"""Nests become blocks and instructions: equal results, and refusals that say what differs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    INT8,
    INT32,
    Block,
    Compute,
    Const,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    cast,
    dims,
    substitute,
    walk,
)
from tondo.passes.verify import verify
from tondo.script import parse, script
from tondo.target import LlvmCall
from tondo_schedule import Schedule, replay
from tondo_schedule.testing import made_up_intrinsics, matmul

CALM = settings(derandomize=True, deadline=None, max_examples=20)
INSTRUCTIONS = made_up_intrinsics()


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-8, 8, shape).astype(np.float32)


def tiled(schedule: Schedule, m: int, n: int, k: int, order: tuple[int, ...] = (0, 1, 2)) -> Var:
    """Tile the matmul ``C``, start its reduction outside, and return the outermost loop of the inner tile."""
    pairs = [schedule.split(loop, size) for loop, size in zip(schedule.loops("C"), (m, n, k), strict=True)]
    inner = [pairs[place][1] for place in order]
    schedule.reorder(*(outer for outer, _ in pairs), *inner)
    schedule.decompose_reduction("C", pairs[2][0])
    return inner[0]


@CALM
@given(order=st.permutations((0, 1, 2)), m=st.integers(1, 3), n=st.integers(1, 3), k=st.integers(1, 3))
def test_a_tile_in_any_loop_order_becomes_the_instruction(order: list[int], m: int, n: int, k: int) -> None:
    function = matmul(4 * m, 4 * n, 4 * k)
    schedule = Schedule(function)
    name = schedule.tensorize(tiled(schedule, 4, 4, 4, tuple(order)), INSTRUCTIONS["mma4"])
    assert schedule.block(name).attrs["intrinsic"] == "mma4"
    a, b = values(4 * m, 4 * k), values(4 * k, 4 * n)
    (result,) = run_tensor_function(schedule.function, [a, b])
    np.testing.assert_array_equal(result, a @ b)
    module = IRModule({"matmul": schedule.function})
    verify(module)
    assert parse(script(module)) == module
    trace = json.loads(json.dumps(schedule.trace))
    assert replay(function, trace, intrinsics=list(INSTRUCTIONS.values())) == schedule.function
    with pytest.raises(TondoError, match="the instruction 'mma4', which is not at hand"):
        replay(function, trace)


def test_a_block_that_was_made_before_becomes_the_instruction() -> None:
    schedule = Schedule(matmul(8, 4, 4, transposed=True))
    i, j, _ = schedule.loops("C")
    outer, inner = schedule.split(i, 4)
    schedule.reorder(j, outer, inner)
    schedule.decompose_reduction("C", inner)
    name = schedule.blockize(inner)
    assert schedule.loops(name) == (j, outer)
    # One row of B against four rows of A: dot4 with the operands the other way round.
    schedule.tensorize(name, INSTRUCTIONS["dot4"])
    a, b = values(8, 4), values(4, 4)
    (result,) = run_tensor_function(schedule.function, [a, b])
    np.testing.assert_array_equal(result, a @ b.T)


def test_shifted_tiles_begin_anywhere() -> None:
    schedule = Schedule(matmul(10, 7, 4))
    i, j, r = schedule.loops("C")
    (i0, i1), (j0, j1) = schedule.split(i, 4, "shift"), schedule.split(j, 4, "shift")
    schedule.reorder(i0, j0, r, i1, j1)
    schedule.decompose_reduction("C", r)
    name = schedule.blockize(i1)
    assert [int(it.extent.value) for it in schedule.block(name).iters] == [7, 4, 4]
    a, b = values(10, 4), values(4, 7)
    (result,) = run_tensor_function(schedule.function, [a, b])
    np.testing.assert_array_equal(result, a @ b)


@CALM
@given(m=st.integers(1, 9), n=st.integers(1, 9), k=st.integers(1, 9), place=st.integers(0, 2))
def test_blockize_of_any_loop_keeps_the_result(m: int, n: int, k: int, place: int) -> None:
    function = matmul(m, n, k)
    schedule = Schedule(function)
    name = schedule.blockize(schedule.loops("C")[place])
    assert schedule.blocks == (name,)
    assert schedule.block(name).init is not None
    verify(IRModule({"matmul": schedule.function}))
    a, b = values(m, k), values(k, n)
    (result,) = run_tensor_function(schedule.function, [a, b])
    np.testing.assert_array_equal(result, a @ b)
    assert replay(function, json.loads(json.dumps(schedule.trace))) == schedule.function


def test_an_init_of_a_block_is_decomposed_like_any() -> None:
    schedule = Schedule(matmul(4, 4, 8))
    i, j, r = schedule.loops("C")
    outer, inner = schedule.split(r, 4)
    schedule.reorder(outer, i, j, inner)
    name = schedule.blockize(i)
    schedule.decompose_reduction(name, outer)
    schedule.tensorize(name, INSTRUCTIONS["mma4"])
    a, b = values(4, 8), values(8, 4)
    (result,) = run_tensor_function(schedule.function, [a, b])
    np.testing.assert_array_equal(result, a @ b)


def test_a_call_takes_whole_operands() -> None:
    builder = Compute("scale")
    a = builder.input("A", TensorType(dims((8,)), FLOAT32))
    schedule = Schedule(builder.build(builder.compute("B", (8,), lambda i: a[i] * a[i])))
    one = INSTRUCTIONS["outer4x16"]
    text = """
@tensor_function
def square(a: Buffer((4,), "float32"), c: Buffer((4,), "float32")):
    for i in serial(0, 4):
        with block("square"):
            v = spatial(4, i)
            reads(a[v])
            writes(c[v])
            c[v] = a[v] * a[v]
"""
    semantics = parse(text).functions["square"]
    assert isinstance(semantics, TensorFunction)
    operands = (
        replace(one.operands[0], strides=(1,)),
        replace(one.operands[2], shape=(4,), access="write", strides=None),
    )
    square = replace(one, name="square", semantics=semantics, operands=operands, emission=LlvmCall("llvm.sqr.v4f32"))
    _, inner = schedule.split(schedule.loops("B")[0], 4)
    name = schedule.tensorize(inner, square)
    assert "intrin('llvm.sqr.v4f32', A[ramp(B_0_o * 4, 1, 4)])" in script(schedule.function)
    assert not [item for item in walk(schedule.block(name).body) if isinstance(item, Block)]


def refusal(schedule: Schedule, place: Var | str, name: str) -> str:
    with pytest.raises(TondoError) as caught:
        schedule.tensorize(place, INSTRUCTIONS[name])
    assert caught.value.code == "TND-B003"
    return str(caught.value)


def test_refusals_name_what_differs() -> None:
    schedule = Schedule(matmul(8, 8, 8))
    assert "it starts its reduction itself" in refusal(schedule, schedule.loops("C")[0], "mma4")
    inner = tiled(schedule, 4, 2, 4)
    assert "its extents are 4 x 2 x 4, those of the instruction 4 x 4 x 4" in refusal(schedule, inner, "mma4")
    schedule = Schedule(matmul(8, 8, 8, transposed=True))
    message = refusal(schedule, tiled(schedule, 4, 4, 4), "mma4")
    assert "neighbours of 'B' along dimension 1 of operand 'b' lie 8 elements apart, the instruction takes 1" in message
    schedule = Schedule(matmul(8, 8, 8))
    message = refusal(schedule, tiled(schedule, 1, 4, 4), "dot4")
    assert "dimension 1 of operand 'b' lie 8 elements apart" in message
    schedule = Schedule(matmul(4, 16, 8))
    message = refusal(schedule, tiled(schedule, 1, 8, 4), "dot4i8")
    assert "it computes" in message
    assert "the instruction" in message
    assert "into int32" in message


def test_other_accesses_are_refused() -> None:
    builder = Compute("diagonal")
    a = builder.input("A", TensorType(dims((16, 16)), FLOAT32))
    b = builder.input("B", TensorType(dims((16,)), FLOAT32))
    function = builder.build(builder.reduce("C", (4,), (4,), lambda i, k: a[i + k, i] * b[k]))
    schedule = Schedule(function)
    schedule.decompose_reduction("C", schedule.loops("C")[0])
    message = refusal(schedule, schedule.loops("C")[0], "outer4x16")
    assert "its extents are 4 x 4" in message
    message = refusal(schedule, schedule.loops("C")[0], "dot4")
    assert "elements apart" in message or "is not operand" in message


def test_scopes_of_operands_are_kept() -> None:
    schedule = Schedule(matmul(8, 8, 8))
    inner = tiled(schedule, 4, 4, 4)
    one = INSTRUCTIONS["mma4"]
    tile = replace(one, operands=(*one.operands[:2], replace(one.operands[2], scope="unit.tile")))
    with pytest.raises(TondoError, match=r"'C' lies in scope 'global', operand 'c' has to lie in 'unit\.tile'"):
        schedule.tensorize(inner, tile)


def test_blockize_refuses_what_it_cannot_cut() -> None:
    schedule = Schedule(matmul(5, 4, 4))
    _, inner = schedule.split(schedule.loops("C")[0], 2)
    with pytest.raises(TondoError, match="the condition of block 'C' depends on it"):
        schedule.blockize(inner)
    schedule = Schedule(matmul(4, 4, 4))
    fused = schedule.fuse(*schedule.loops("C")[:2])
    _, inner = schedule.split(fused, 2)
    with pytest.raises(TondoError, match="is not affine in the loops of the nest"):
        schedule.blockize(inner)
    builder = Compute("chain")
    x = builder.input("X", TensorType(dims((8,)), FLOAT32))
    t = builder.compute("T", (8,), lambda i: x[i] * 2.0)
    schedule = Schedule(builder.build(builder.compute("O", (8,), lambda i: t[i] + 1.0)))
    schedule.compute_at("T", schedule.loops("O")[0])
    with pytest.raises(TondoError, match="it holds more than one block"):
        schedule.blockize(schedule.loops("O")[0])


def test_blocks_that_are_nests_keep_their_accesses() -> None:
    schedule = Schedule(matmul(8, 8, 8))
    name = schedule.blockize(tiled(schedule, 4, 4, 4))
    with pytest.raises(TondoError, match="a change of block 'C_o': its body is a nest or an instruction"):
        schedule.cache_read(name, "A")


def test_a_producer_is_computed_at_a_block_that_reads_it() -> None:
    builder = Compute("prologue")
    a = builder.input("A", TensorType(dims((8, 8)), FLOAT32))
    b = builder.input("B", TensorType(dims((8, 8)), FLOAT32))
    doubled = builder.compute("D", (8, 8), lambda i, k: a[i, k] * 2.0)
    schedule = Schedule(builder.build(builder.reduce("C", (8, 8), (8,), lambda i, j, r: doubled[i, r] * b[r, j])))
    loop = schedule.loops("C")[0]
    schedule.tensorize(tiled(schedule, 4, 4, 4), INSTRUCTIONS["mma4"])
    schedule.compute_at("D", Var(f"{loop.name}_0"))
    x, y = values(8, 8), values(8, 8)
    (result,) = run_tensor_function(schedule.function, [x, y])
    np.testing.assert_array_equal(result, (2 * x) @ y)
    inside = [schedule.extent(item) for item in schedule.loops("D")[1:]]
    assert [int(extent.value) for extent in inside] == [4, 8]  # type: ignore[attr-defined]


def test_bytes_in_products_of_int32() -> None:
    builder = Compute("bytes")
    a = builder.input("A", TensorType(dims((3, 8)), INT8))
    b = builder.input("B", TensorType(dims((2, 2, 8, 4)), INT8))
    function = builder.build(
        builder.reduce(
            "C", (3, 16), (8,), lambda i, j, r: cast(INT32, a[i, r]) * cast(INT32, b[j // 8, r // 4, j % 8, r % 4])
        )
    )
    schedule = Schedule(function)
    schedule.tensorize(tiled(schedule, 1, 8, 4), INSTRUCTIONS["dot4i8"])
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-128, 128, shape).astype(np.int8) for shape in ((3, 8), (2, 2, 8, 4)))
    (result,) = run_tensor_function(schedule.function, [x, y])
    plain = y.transpose(1, 3, 0, 2).reshape(8, 16)
    np.testing.assert_array_equal(result, x.astype(np.int32) @ plain.astype(np.int32))


def test_an_emission_learns_how_far_rows_lie_apart() -> None:
    one = INSTRUCTIONS["double4"]
    text = """
@tensor_function
def rows(a: Buffer((4, 4), "float32"), b: Buffer((4, 4), "float32")):
    for i in serial(0, 4):
        for j in serial(0, 4):
            with block("rows"):
                vi = spatial(4, i)
                vj = spatial(4, j)
                reads(a[vi, vj])
                writes(b[vi, vj])
                b[vi, vj] = a[vi, vj]

@tensor_function
def rows_emitted(apart: "int64", a: Buffer((4, 4), "float32"), b: Buffer((4, 4), "float32")):
    for i in unrolled(0, 4):
        b[i, ramp(0, 1, 4)] = a[i, ramp(0, 1, 4)] * broadcast(cast("float32", apart), 4)
"""
    functions = parse(text).functions
    semantics, emitted = functions["rows"], functions["rows_emitted"]
    assert isinstance(semantics, TensorFunction)
    assert isinstance(emitted, TensorFunction)
    a, b = emitted.buffers
    strided = replace(a, strides=(Var("apart"), Const(1)))
    emission = replace(emitted, params=(strided, b), body=substitute(emitted.body, None, {a: strided}))
    operands = tuple(replace(operand, shape=(4, 4), strides=(None, 1)) for operand in one.operands)
    rows = replace(one, name="rows", semantics=semantics, operands=operands, emission=emission)
    builder = Compute("copy")
    x = builder.input("X", TensorType(dims((8, 12)), FLOAT32))
    schedule = Schedule(builder.build(builder.compute("Y", (8, 12), lambda i, j: x[i, j])))
    _, inner = schedule.tile(schedule.loops("Y"), (4, 4))
    schedule.tensorize(inner[0], rows)
    (result,) = run_tensor_function(schedule.function, [values(8, 12)])
    np.testing.assert_array_equal(result, values(8, 12) * 12)  # rows of X lie 12 elements apart
