"""What primitives refuse, and that the message names the primitive, the subject and the access or the number."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tondo.diagnostics import TondoError
from tondo.ir import FLOAT32, Compute, TensorType, Var, dims, select
from tondo_schedule import IndexMap, Schedule
from tondo_schedule.testing import made_up_intrinsics, read

I, J, K = Var("i"), Var("j"), Var("k")
SWAPPED = IndexMap.permutation((1, 0))

DOUBLE = """
for i in range(8):
    B[i] = A[i] * 2
"""
SQUARE = """
for i in range(4):
    for j in range(6):
        B[i, j] = A[i, j] * 2
"""
SUM = """
for i in range(4):
    for k in range(8):
        C[i] += A[i, k]
"""
ENDLESS = """
for i in range(4):
    for k in range(n):
        C[i] += A[i, k]
"""
UPDATE = """
for i in range(10):
    B[i] = B[i] + A[i]
"""
DECAY = """
for i in range(4):
    for k in range(6):
        B[i] = B[i] * 0.5 + A[i, k]
"""
MIRROR = """
for i in range(8):
    B[i] = B[7 - i] + A[i]
"""
NEIGHBOURS = """
for i in range(6):
    B[i] = A[i] + A[i + 1]
"""
FIRST = """
for i in range(4):
    for j in range(6):
        B[i, j] = B[i, 0] + A[i, j]
"""
CHAIN = """
for i in range(8):
    T[i] = A[i] * 2
for j in range(8):
    B[j] = T[j] + 1
"""
REVERSED = """
for i in range(8):
    T[i] = A[i] * 2
for j in range(8):
    B[j] = T[7 - j] + 1
"""
APART = """
for i in range(8):
    T[i] = A[i] * 2
for j in range(8):
    B[j] = A[j] + 1
"""
SHARED = """
for i in range(8):
    T[i] = A[i] * 2
for j in range(8):
    B[j] = T[0] + A[j]
"""
THREE = """
for i in range(8):
    T[i] = A[i] * 2
for j in range(8):
    U[j] = T[j] + A[j]
for l in range(8):
    B[l] = T[l] + U[l]
"""


def both(first: Callable[[Schedule], object], second: Callable[[Schedule], object]) -> Callable[[Schedule], object]:
    """Take two steps."""

    def steps(schedule: Schedule) -> object:
        first(schedule)
        return second(schedule)

    return steps


CASES: tuple[tuple[str, Callable[[Schedule], object], str], ...] = (
    (DOUBLE, lambda s: s.split(I, 0), "split of loop 'i': the factor is 0"),
    (UPDATE, lambda s: s.split(I, 4, "shift"), "split of loop 'i': block 'B' reads 'B', which it also writes"),
    (DOUBLE, lambda s: s.parallel(I, 0), "parallel of loop 'i': the grain is 0"),
    (
        SHARED,
        both(lambda s: s.compute_at("T", J), lambda s: s.parallel(J)),
        "parallel of loop 'j': every iteration of it writes the same elements of 'T' (block 'T')",
    ),
    (
        SUM,
        both(lambda s: s.decompose_reduction("C", K), lambda s: s.reorder(I)),
        "reorder of loop 'i': the loops contain several blocks: C_init, C",
    ),
    (DOUBLE, lambda s: s.reorder(I, I), "a loop is named twice"),
    (DOUBLE, lambda s: s.cache_read("B", "X"), "cache_read of block 'B': it does not read 'X'"),
    (MIRROR, lambda s: s.cache_read("B", "B"), "cache_read of block 'B': it writes 'B'"),
    (
        SUM,
        both(lambda s: s.decompose_reduction("C", K), lambda s: s.cache_write("C", "local")),
        "cache_write of block 'C': block 'C_init' writes 'C' too",
    ),
    (APART, lambda s: s.compute_at("T", J), "compute_at of block 'T': nothing inside loop 'j' reads 'T'"),
    (
        CHAIN,
        both(lambda s: s.blockize(I), lambda s: s.compute_at("T_o", J)),
        "compute_at of block 'T_o': its body is not a single unconditional store",
    ),
    (
        CHAIN,
        both(lambda s: s.partition(I, 4), lambda s: s.compute_inline("T")),
        "compute_inline of block 'T': 'T' is written more than once",
    ),
    (DOUBLE, lambda s: s.decompose_reduction("B", I), "decompose_reduction of block 'B': it has no init"),
    (
        CHAIN,
        both(lambda s: s.partition(I, 4), lambda s: s.reverse_compute_at("B", I)),
        "reverse_compute_at of block 'B': block 'T_1' outside loop 'i' writes 'T', too",
    ),
    (
        THREE,
        lambda s: s.reverse_compute_at("B", I),
        "reverse_compute_at of block 'B': it uses 'U', which block 'U' computes after loop 'i'",
    ),
    (
        REVERSED,
        lambda s: s.reverse_compute_at("B", I),
        "reverse_compute_at of block 'B': it reads 'T' at an index that is not one of its iteration variables",
    ),
    (THREE, lambda s: s.reverse_compute_inline("U"), "reverse_compute_inline of block 'U': 'T' has another user"),
    (
        SUM,
        both(lambda s: s.reorder(K, I), lambda s: s.rfactor("C", K)),
        "rfactor of block 'C': a spatial loop lies inside its reduction loop 'k'",
    ),
    (ENDLESS, lambda s: s.rfactor("C", K), "rfactor of block 'C': the extent of loop 'k' is not constant"),
    (DOUBLE, lambda s: s.set_scope("A", "local"), "set_scope of buffer 'A': the function does not allocate it"),
    (
        THREE,
        lambda s: s.specialize(("T", "B"), "i", 4),
        "specialize of blocks T, B: they are not neighbours",
    ),
    (
        DOUBLE,
        both(lambda s: s.split(I, 2), lambda s: s.split_axis("B", Var("vi"), 2)),
        "split_axis of block 'B': 'vi' is not an iteration variable bound to a loop of its own",
    ),
    (
        DOUBLE,
        lambda s: s.split_axis("B", Var("vi"), 3),
        "split_axis of block 'B': the extent of 'vi' is not a multiple of 3",
    ),
    (
        SQUARE,
        both(lambda s: s.split(J, 2), lambda s: s.merge_axes(("B", Var("vi"), Var("vj")))),
        "merge_axes of block 'B': it is not in compute form",
    ),
    (DOUBLE, lambda s: s.transform_layout("X", SWAPPED), "transform_layout of buffer 'X': there is no such buffer"),
    (DOUBLE, lambda s: s.transform_layout("B", SWAPPED), "transform_layout of buffer 'B': it has 1 axes, the map 2"),
    (
        SQUARE,
        both(lambda s: s.split(J, 2), lambda s: s.transform_layout("B", SWAPPED)),
        "transform_layout of buffer 'B': block 'B', which writes it, is not in compute form",
    ),
    (
        SQUARE,
        both(lambda s: s.split(J, 4), lambda s: s.transform_layout("B", SWAPPED)),
        "transform_layout of buffer 'B': block 'B' does not store unconditionally",
    ),
    (
        FIRST,
        lambda s: s.transform_layout("B", SWAPPED),
        "transform_layout of buffer 'B': block 'B' reads it at other places than it writes",
    ),
    (CHAIN, lambda s: s.divide(("T", "B"), (I,), 4), "divide of blocks T, B: there are 1 loops for them"),
    (CHAIN, lambda s: s.divide(("T", "B"), (I, J), 8), "divide of blocks T, B: 8 is not proven to lie inside the axis"),
    (CHAIN, lambda s: s.divide(("T", "B"), (I, I), 4), "divide of block 'B': loop 'i' is not in its nest"),
    (
        SUM,
        lambda s: s.divide(("C",), (K,), 4),
        "divide of block 'C': its reduction over 'vk' does not lie inside the axis",
    ),
    (
        REVERSED,
        lambda s: s.divide(("T", "B"), (I, J), 4),
        "divide of block 'T': others use 'T' at other places of the axis",
    ),
    (
        THREE,
        lambda s: s.divide(("T", "U"), (I, J), 4),
        "divide of block 'T': others use 'T' at other places of the axis",
    ),
    (SUM, lambda s: s.prefetch("A", K, I), "prefetch of buffer 'A': loop 'i' is not inside loop 'k'"),
    (SUM, lambda s: s.prefetch("B", I, K), "prefetch of buffer 'B': nothing inside loop 'k' reads it"),
    (
        ENDLESS,
        lambda s: s.prefetch("A", I, K),
        "prefetch of buffer 'A': what one iteration of 'i' reads is not one piece of known size",
    ),
    (
        SUM,
        both(lambda s: s.reorder(K, I), lambda s: s.prefetch("A", K, I)),
        "prefetch of buffer 'A': what one iteration of 'k' reads is not one piece of known size",
    ),
    (SUM, lambda s: s.pad("C", I, 0), "pad of block 'C': the multiple is 0"),
    (
        CHAIN,
        both(lambda s: s.compute_at("T", J), lambda s: s.pad("B", J, 3)),
        "pad of block 'B': block 'T' is in loop 'j', too",
    ),
    (
        CHAIN,
        both(lambda s: s.split(I, 2), lambda s: s.pad("T", I, 3)),
        "pad of block 'T': loop 'i' is not one iteration variable of it without a condition",
    ),
    (
        DECAY,
        lambda s: s.pad("B", K, 4),
        "pad of block 'B': it is not a sum, minimum or maximum, so padding 'vk' would change it",
    ),
    (NEIGHBOURS, lambda s: s.pad("B", I, 4), "pad of block 'B': it reads 'A' at several places"),
    (DOUBLE, lambda s: s.sample_categorical("size", (), 1), "sample_categorical of hole 'size': there is no candidate"),
    (DOUBLE, lambda s: s.sample_perfect_tile(I, 0), "sample_perfect_tile of loop 'i': 0 parts are asked for"),
    (
        DOUBLE,
        lambda s: s.sample_perfect_tile(I, 1, 4),
        "sample_perfect_tile of loop 'i': no split of 8 has a last part of at most 4",
    ),
    (
        ENDLESS,
        both(
            lambda s: s.decompose_reduction("C", K),
            lambda s: s.tensorize(K, made_up_intrinsics()["dot4"]),
        ),
        "tensorize of loop 'k': the bounds of loop 'k' are not constant",
    ),
)


@pytest.mark.parametrize(("before", "steps", "message"), CASES, ids=[message.split(":")[0] for _, _, message in CASES])
def test_refused(before: str, steps: Callable[[Schedule], object], message: str) -> None:
    schedule = Schedule(read(before))
    with pytest.raises(TondoError) as caught:
        steps(schedule)
    assert caught.value.code == "TND-B003"
    assert message in str(caught.value)


def test_reindex_does_not_read_where_nobody_wants_it() -> None:
    builder = Compute("guarded")
    a = builder.input("A", TensorType(dims((3,)), FLOAT32))
    schedule = Schedule(builder.build(builder.compute("B", (8,), lambda i: select(i < 3, a[i], 0.0))))
    with pytest.raises(TondoError, match="reindex of block 'B': a load of 'A' may leave it where it is not wanted"):
        schedule.reindex("B", "A")
