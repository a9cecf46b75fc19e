"""Blocks are brought into the form of instructions by what they compute, whatever their axes, sizes and layouts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    INT8,
    INT32,
    LOCAL,
    Compute,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    cast,
    dims,
    maximum,
)
from tondo.passes import Miss, RecordedChoices
from tondo.passes.verify import verify
from tondo.script import parse
from tondo.target import Interpreter, Intrinsic, Operand
from tondo_schedule import Schedule, Tensorized, auto_tensorize, replay
from tondo_schedule.testing import made_up_intrinsics, matmul

CALM = settings(derandomize=True, deadline=None, max_examples=12)
INSTRUCTIONS = made_up_intrinsics()
FLOATS = ("mma4", "dot4", "outer4x16")


def batched(z: int, m: int, n: int, k: int) -> TensorFunction:
    builder = Compute("batched")
    a = builder.input("A", TensorType(dims((z, m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((z, n, k)), FLOAT32))
    return builder.build(builder.reduce("C", (z, m, n), (k,), lambda g, i, j, r: a[g, i, r] * b[g, j, r]))


def convolution(size: tuple[int, int], channels: tuple[int, int], kernel: int, stride: int) -> TensorFunction:
    (h, w), (c, o) = size, channels
    builder = Compute("convolution")
    extents = [(extent - 1) * stride + kernel for extent in size]
    x = builder.input("X", TensorType(dims((2, c, *extents)), FLOAT32))
    weights = builder.input("W", TensorType(dims((o, c, kernel, kernel)), FLOAT32))
    return builder.build(
        builder.reduce(
            "C",
            (2, o, h, w),
            (c, kernel, kernel),
            lambda b, q, i, j, d, p, r: x[b, d, i * stride + p, j * stride + r] * weights[q, d, p, r],
        )
    )


def users_own(p: int, q: int, r: int, s: int) -> TensorFunction:
    """``C[j, i, g] = sum_k A[g, k, i] * B[j, k]`` with a reversed axis."""
    builder = Compute("own")
    a = builder.input("A", TensorType(dims((p, q, r)), FLOAT32))
    b = builder.input("B", TensorType(dims((s, q)), FLOAT32))
    return builder.build(builder.reduce("C", (s, r, p), (q,), lambda j, i, g, k: a[p - 1 - g, k, i] * b[j, k]))


def arrays_for(function: TensorFunction) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [tuple(int(getattr(extent, "value", 7)) for extent in buffer.shape) for buffer in function.input_buffers]
    kinds = [buffer.dtype.numpy for buffer in function.input_buffers]
    return [rng.integers(-5, 6, shape).astype(kind) for shape, kind in zip(shapes, kinds, strict=True)]


def check(function: TensorFunction, name: str) -> Tensorized:
    schedule = Schedule(function)
    done = auto_tensorize(schedule, "C", [INSTRUCTIONS[name]])
    assert isinstance(done, Tensorized), done
    assert schedule.block(done.block).attrs["intrinsic"] == name
    verify(IRModule({function.name: schedule.function}))
    arrays = arrays_for(function)
    (wanted,), (found,) = run_tensor_function(function, arrays), run_tensor_function(schedule.function, arrays)
    np.testing.assert_array_equal(found, wanted)
    trace = json.loads(json.dumps(schedule.trace))
    assert replay(function, trace, intrinsics=[INSTRUCTIONS[name]]) == schedule.function
    return done


@CALM
@given(
    m=st.integers(1, 9),
    n=st.integers(1, 18),
    k=st.integers(1, 9),
    transposed=st.booleans(),
    name=st.sampled_from(FLOATS),
)
def test_matmul_of_any_size(m: int, n: int, k: int, name: str, *, transposed: bool) -> None:
    check(matmul(m, n, k, transposed=transposed), name)


@CALM
@given(sizes=st.tuples(*[st.integers(1, 6)] * 4), name=st.sampled_from(FLOATS))
def test_batched_matmul(sizes: tuple[int, int, int, int], name: str) -> None:
    check(batched(*sizes), name)


@CALM
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    name=st.sampled_from(FLOATS),
)
def test_convolution(size: tuple[int, int], channels: tuple[int, int], kernel: int, stride: int, name: str) -> None:
    check(convolution(size, channels, kernel, stride), name)


@CALM
@given(sizes=st.tuples(*[st.integers(1, 7)] * 4), name=st.sampled_from(FLOATS))
def test_a_contraction_of_the_users_own(sizes: tuple[int, int, int, int], name: str) -> None:
    check(users_own(*sizes), name)


@CALM
@given(m=st.integers(1, 4), n=st.integers(1, 17), k=st.integers(1, 9))
def test_bytes_are_packed_as_the_instruction_takes_them(m: int, n: int, k: int) -> None:
    builder = Compute("bytes")
    a = builder.input("A", TensorType(dims((m, k)), INT8))
    b = builder.input("B", TensorType(dims((k, n)), INT8))
    function = builder.build(
        builder.reduce("C", (m, n), (k,), lambda i, j, r: cast(INT32, a[i, r]) * cast(INT32, b[r, j]))
    )
    check(function, "dot4i8")


def test_a_dimension_may_be_unknown() -> None:
    check(matmul(Var("m"), 5, 6), "mma4")


def test_whole_tiles_need_no_copy() -> None:
    assert check(matmul(8, 12, 4), "mma4").copies == ()
    assert check(matmul(8, 12, 4, transposed=True), "mma4").copies == ("B_copy",)
    assert check(matmul(8, 12, 4, transposed=True), "dot4").copies == ()
    assert check(matmul(6, 12, 4), "mma4").copies == ("A_pad",)


def test_an_epilogue_moves_into_the_tiles() -> None:
    builder = Compute("dense")
    a = builder.input("A", TensorType(dims((6, 5)), FLOAT32))
    b = builder.input("B", TensorType(dims((5, 9)), FLOAT32))
    total = builder.reduce("C", (6, 9), (5,), lambda i, j, r: a[i, r] * b[r, j])
    function = builder.build(builder.compute("O", (6, 9), lambda i, j: maximum(total[i, j], 0.0)))
    done = check(function, "mma4")
    assert done.written is None
    schedule = Schedule(function)
    assert auto_tensorize(schedule, "C", [INSTRUCTIONS["mma4"]]) == done
    schedule.set_scope("C", LOCAL)
    schedule.reverse_compute_at("O", done.spatial[-1])
    schedule.parallel(done.spatial[0])
    assert schedule.loops("O")[: len(done.spatial)] == done.spatial
    arrays = arrays_for(function)
    (result,) = run_tensor_function(schedule.function, arrays)
    np.testing.assert_array_equal(result, np.maximum(arrays[0] @ arrays[1], 0))


def test_the_cheapest_assignment_is_taken_unless_another_is_recorded() -> None:
    function = matmul(4, 64, 8)
    schedule = Schedule(function)
    done = auto_tensorize(schedule, "C", list(INSTRUCTIONS.values()))
    assert isinstance(done, Tensorized)
    assert done.intrinsic == "mma4"
    context = RecordedChoices(Interpreter().make("generic"), recorded={"tensorize.C": 1})
    again = auto_tensorize(Schedule(function), "C", list(INSTRUCTIONS.values()), context)
    assert isinstance(again, Tensorized)
    assert context.taken == {"tensorize.C": 1}
    assert again != done


def test_a_miss_says_why_and_changes_nothing() -> None:
    builder = Compute("sums")
    a = builder.input("A", TensorType(dims((6, 5)), FLOAT32))
    function = builder.build(builder.reduce("C", (6,), (5,), lambda i, r: a[i, r] * 2.0))
    schedule = Schedule(function)
    miss = auto_tensorize(schedule, "C", list(INSTRUCTIONS.values()))
    assert isinstance(miss, Miss)
    assert "mma4: the block computes C[C_0] + A[C_0, C_r0] * 2.0, it c[" in miss.reason
    assert schedule.function == function
    assert schedule.trace == []
    builder = Compute("vector")
    x = builder.input("X", TensorType(dims((6,)), FLOAT32))
    y = builder.input("Y", TensorType(dims((6,)), FLOAT32))
    schedule = Schedule(builder.build(builder.reduce("C", (1,), (6,), lambda i, r: x[r] * y[r])))
    miss = auto_tensorize(schedule, "C", [INSTRUCTIONS["mma4"]])
    assert isinstance(miss, Miss)
    assert "no axis of the block is where its loop 'i' is: in a, c and nowhere else" in miss.reason
    schedule = Schedule(matmul(8, 8, 8))
    schedule.fuse(*schedule.loops("C")[:2])
    miss = auto_tensorize(schedule, "C", [INSTRUCTIONS["mma4"]])
    assert miss == Miss("block 'C' is scheduled already: its axes are not one loop each")


UNIT = """
@tensor_function
def fill(c: Buffer((4, 4), "float32")):
    for i in serial(0, 4):
        for j in serial(0, 4):
            with block("fill"):
                vi = spatial(4, i)
                vj = spatial(4, j)
                writes(c[vi, vj])
                c[vi, vj] = 0.0

@tensor_function
def copy(a: Buffer((4, 4), "float32"), c: Buffer((4, 4), "float32")):
    for i in serial(0, 4):
        for j in serial(0, 4):
            with block("copy"):
                vi = spatial(4, i)
                vj = spatial(4, j)
                reads(a[vi, vj])
                writes(c[vi, vj])
                c[vi, vj] = a[vi, vj]
"""


def unit() -> dict[str, Intrinsic]:
    """A matrix unit whose operands and accumulators lie in memory of its own."""
    functions = {name: item for name, item in parse(UNIT).functions.items() if isinstance(item, TensorFunction)}
    one = INSTRUCTIONS["mma4"]
    scratch = [replace(operand, scope="unit.scratch") for operand in one.operands[:2]]
    tile = replace(one.operands[2], scope="unit.tile")
    plain = Operand("a", FLOAT32, (4, 4), "read", strides=(None, 1))

    def move(name: str, source: Operand, target: Operand) -> Intrinsic:
        operands = (replace(source, name="a", access="read"), replace(target, name="c", access="write"))
        return Intrinsic(name, functions["copy"], frozenset(), operands, 4.0, functions["copy"])

    return {
        "unit.mma": replace(one, name="unit.mma", operands=(*scratch, tile)),
        "unit.fill": Intrinsic("unit.fill", functions["fill"], frozenset(), (tile,), 4.0, functions["fill"]),
        "unit.load": move("unit.load", plain, scratch[0]),
        "unit.store": move("unit.store", tile, plain),
    }


def test_a_unit_with_memory_of_its_own() -> None:
    function = matmul(10, 7, 9)
    schedule = Schedule(function)
    own = unit()
    done = auto_tensorize(schedule, "C", [own["unit.mma"]])
    assert isinstance(done, Tensorized), done
    assert done.start is not None
    schedule.tensorize(inner(schedule, done.start, done.spatial[-1]), own["unit.fill"])
    loads = [name for name in done.copies if schedule.loops(name)[: len(done.spatial)] == done.spatial]
    assert len(loads) == 2
    for name in loads:
        schedule.tensorize(inner(schedule, name, done.reduction[-1]), own["unit.load"])
    arrays = arrays_for(function)
    (result,) = run_tensor_function(schedule.function, arrays)
    np.testing.assert_array_equal(result, arrays[0] @ arrays[1])
    used = {schedule.block(name).attrs.get("intrinsic") for name in schedule.blocks}
    assert used >= {"unit.mma", "unit.fill", "unit.load"}


def inner(schedule: Schedule, block: str, around: Var) -> Var:
    loops = schedule.loops(block)
    return loops[loops.index(around) + 1]


def test_instructions_without_a_sum() -> None:
    builder = Compute("double")
    a = builder.input("A", TensorType(dims((3, 8)), FLOAT32))
    function = builder.build(builder.compute("C", (3, 8), lambda i, j: a[i, j] * 2.0))
    done = check(function, "double4")
    assert done.start is None
