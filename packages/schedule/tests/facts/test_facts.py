"""Facts follow from index maps alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tondo.ir import (
    FLOAT32,
    INT64,
    Binary,
    Buffer,
    Compute,
    Const,
    Expr,
    TensorFunction,
    TensorType,
    Var,
    cast,
    const,
    dims,
    floordiv,
    floormod,
    intrin,
    select,
)
from tondo.script import parse
from tondo_schedule.facts import Stage, consumers_of, pattern_of, stages_of

I, J, K, N = Var("i"), Var("j"), Var("k"), Var("n")
A = Buffer("a", dims((8, 8, 8)), INT64)
ITERS = frozenset({I, J, K})


@pytest.mark.parametrize(
    ("indices", "pattern"),
    [
        ((I, J, K), "identity"),
        ((), "broadcast"),
        ((J,), "broadcast"),
        ((I, Const(0), K), "broadcast"),
        ((Const(3),), "broadcast"),
        ((K, J, I), "permuted"),
        ((J, I, K), "permuted"),
        ((J, I), "affine"),
        ((I, I), "affine"),
        ((I + J, K), "affine"),
        ((I * 2 + 1, J), "affine"),
        ((7 - I, J, K), "affine"),
        ((I * N, J), "other"),
        ((I + N,), "affine"),
        ((floordiv(I, 2), J), "other"),
        ((floormod(I * 3 + J, 4),), "other"),
        ((A[I, J, K], J), "gather"),
        ((A[0, 0, 0] + I,), "gather"),
    ],
    ids=str,
)
def test_patterns(indices: tuple[Expr, ...], pattern: str) -> None:
    assert pattern_of(indices, (I, J, K), ITERS) == pattern


def tensor(*shape: Expr | int) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def stage(function: TensorFunction, index: int = -1) -> Stage:
    stages = stages_of(function)
    assert stages is not None
    return stages[index]


def one(value: Callable[..., Expr], *types: TensorType, over: tuple[int, ...] = (), combiner: str = "sum") -> Stage:
    builder = Compute("f")
    inputs = [builder.input(f"x{i}", item) for i, item in enumerate(types)]
    shape = (N, 8)
    if over:
        made = builder.reduce("y", shape, over, lambda *i: value(*inputs, *i), combiner)  # type: ignore[arg-type]
    else:
        made = builder.compute("y", shape, lambda *i: value(*inputs, *i))
    return stage(builder.build(made))


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (one(lambda x, i, j: x[i, j] + 1.0, tensor(N, 8)), "elementwise"),
        (one(lambda x, b, i, j: x[i, j] * b[j] + b[0], tensor(N, 8), tensor(8)), "elementwise"),
        (one(lambda i, j: const(0.0)), "elementwise"),
        (one(lambda x, i, j: x[j, i], tensor(8, N)), "injective"),
        (one(lambda x, i, j: select(i < 3, x[i, j], x[i - 3, j]), tensor(N, 8)), "injective"),
        (one(lambda x, i, j: x[floordiv(j, 2), i], tensor(4, N)), "injective"),
        (one(lambda x, i, j, k: x[i, j, k], tensor(N, 8, 4), over=(4,)), "reduction"),
        (one(lambda x, i, j, k: x[i, j, k], tensor(N, 8, 4), over=(4,), combiner="max"), "reduction"),
        (one(lambda x, w, i, j, k: x[i, k] * w[k, j], tensor(N, 4), tensor(4, 8), over=(4,)), "contraction"),
        (
            one(lambda x, w, i, j, k: x[i, k] * w[k, j], tensor(N, 4), tensor(4, 8), over=(4,), combiner="max"),
            "reduction",
        ),
        (one(lambda x, w, i, j, k: x[i, k] * w[k, j] * 2.0, tensor(N, 4), tensor(4, 8), over=(4,)), "reduction"),
        (one(lambda x, w, i, j, k: x[i, k] * w[j, i], tensor(N, 4), tensor(8, N), over=(4,)), "contraction"),
    ],
)
def test_kinds(made: Stage, kind: str) -> None:
    assert made.kind == kind


SHAPE = 'x: Buffer((4, 4), "float32"), y: Buffer((4, 4), "float32")'


def written(head: str, store: str) -> Stage:
    text = f"""
@tensor_function
def f({SHAPE}):
    for i in serial(4):
        for j in serial(4):
            with block("b"):
                a = spatial(4, i)
                b = spatial(4, j)
                reads()
                writes()
{head}                {store}
"""
    return stage(parse(text).tensor("f"))


@pytest.mark.parametrize(
    ("head", "store"),
    [
        ("", "y[a, a] = x[a, b]"),
        ("", "y[a, 0] = x[a, b]"),
        ("", "y[a + b, 0] = x[a, b]"),
        ("", "store(y[a, b], x[a, b], where=a < 2)"),
        ("                where(i < 2)\n", "y[a, b] = x[a, b]"),
        ("", "y[a, b] = y[b, a]"),
        ("", "y[a, b] = y[a, b] + x[a, b]"),
        ("", "y[a, b] = x[a, b] * y[a, b] * x[a, b]"),
    ],
)
def test_what_is_not_written_once_and_always_is_opaque(head: str, store: str) -> None:
    assert written(head, store).kind == "opaque"


def test_plain_blocks_are_not_opaque() -> None:
    assert written("", "y[a, b] = x[a, b]").kind == "elementwise"
    assert written("", "y[b, a] = x[a, b]").kind == "injective"


def roles(made: Stage) -> tuple[int, int, int, int]:
    contraction = made.contraction
    assert contraction is not None
    return len(contraction.batch), len(contraction.m), len(contraction.n), len(contraction.k)


def test_roles_of_a_matrix_product() -> None:
    made = one(lambda x, w, i, j, k: cast(FLOAT32, x[i, k]) * w[k, j], tensor(N, 4), tensor(4, 8), over=(4,))
    assert roles(made) == (0, 1, 1, 1)
    assert made.contraction is not None
    assert (made.contraction.left.buffer.name, made.contraction.right.buffer.name) == ("x0", "x1")


def test_an_axis_of_extent_one_that_no_operand_has_counts_as_rows() -> None:
    builder = Compute("f")
    x, w = builder.input("x", tensor(4)), builder.input("w", tensor(4, 8))
    made = builder.reduce("y", (1, 8), (4,), lambda i, j, k: x[k] * w[k, j])
    assert roles(stage(builder.build(made))) == (0, 1, 1, 1)
    builder = Compute("f")
    x, w = builder.input("x", tensor(4)), builder.input("w", tensor(4, 8))
    made = builder.reduce("y", (2, 8), (4,), lambda i, j, k: x[k] * w[k, j])
    assert stage(builder.build(made)).kind == "reduction"
    builder = Compute("f")
    x = builder.input("x", tensor(N, 4))
    made = builder.reduce("y", (N, 1), (4,), lambda i, j, k: x[i, k] * x[i, k])
    assert stage(builder.build(made)).kind == "reduction", "a sum of squares that keeps its axis"


def conv(*, weights_first: bool) -> Stage:
    builder = Compute("conv")
    x, w = builder.input("x", tensor(N, 3, 8, 8)), builder.input("w", tensor(16, 3, 3, 3))

    def value(n: Expr, o: Expr, i: Expr, j: Expr, c: Expr, u: Expr, v: Expr) -> Expr:
        image, weight = x[n, c, i * 2 + u, j * 2 + v], w[o, c, u, v]
        return weight * image if weights_first else image * weight

    return stage(builder.build(builder.reduce("y", (N, 16, 3, 3), (3, 3, 3), value)))


@pytest.mark.parametrize("weights_first", [False, True])
def test_a_convolution_is_a_contraction_with_plain_weights(weights_first: bool) -> None:
    made = conv(weights_first=weights_first)
    assert roles(made) == (0, 3, 1, 3)
    assert made.contraction is not None
    assert made.contraction.right.buffer.name == "w"


def test_attention_has_batch_axes_and_depthwise_has_no_columns() -> None:
    builder = Compute("scores")
    q, k = builder.input("q", tensor(2, 4, N, 16)), builder.input("k", tensor(2, 4, N, 16))
    scores = builder.reduce("s", (2, 4, N, N), (16,), lambda b, h, i, j, r: q[b, h, i, r] * k[b, h, j, r])
    assert roles(stage(builder.build(scores))) == (2, 1, 1, 1)
    builder = Compute("depthwise")
    x, w = builder.input("x", tensor(N, 8, 9)), builder.input("w", tensor(8, 3))
    made = builder.reduce("y", (N, 8, 7), (3,), lambda n, c, i, u: x[n, c, i + u] * w[c, u])
    assert roles(stage(builder.build(made))) == (1, 2, 0, 1)


def test_stages_of_a_softmax() -> None:
    builder = Compute("softmax")
    x = builder.input("x", tensor(N, 8))
    top = builder.reduce("top", (N,), (8,), lambda i, k: x[i, k], "max")
    e = builder.compute("e", (N, 8), lambda i, j: intrin("exp", x[i, j] - top[i]))
    total = builder.reduce("total", (N,), (8,), lambda i, k: e[i, k])
    function = builder.build(builder.compute("y", (N, 8), lambda i, j: e[i, j] / total[i]))
    stages = stages_of(function)
    assert stages is not None
    assert [item.kind for item in stages] == ["reduction", "elementwise", "reduction", "elementwise"]
    assert [item.output.name for item in consumers_of(stages, e)] == ["total", "y"]
    assert [item.operations for item in stages] == [1, 11, 1, 1]
    assert stages[0].points == N * 8
    assert [access.pattern for access in stages[1].reads_of(top)] == ["broadcast"]
    assert [it.kind for it in stages[2].block.iters] == ["spatial", "reduction"]


def test_what_is_no_nest_of_blocks_has_no_stages() -> None:
    text = "@tensor_function\ndef f(x: Buffer((4,)), y: Buffer((4,))):\n    for i in serial(4):\n        y[i] = x[i]\n"
    assert stages_of(parse(text).tensor("f")) is None
    assert Binary("add", I, J) == I + J
