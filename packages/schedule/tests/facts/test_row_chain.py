"""Row chains are recognised from index maps alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tondo.ir import FLOAT32, Compute, Expr, TensorFunction, TensorType, Var, dims, floordiv, intrin
from tondo_schedule.facts import COLUMN, UNIT, RowChain, row_chain_of, stages_of

N = Var("n")
Row = Callable[[Compute, Callable[..., Expr]], Callable[..., Expr]]


def chained(middle: Row, *, shared: int = 1, columns: Expr | int = 6) -> TensorFunction:
    """``(A @ B.T)`` of 4 heads and 5 rows, ``middle`` of it, times C."""
    builder = Compute("chain")
    a = builder.input("A", TensorType(dims((4, 5, 3)), FLOAT32))
    b = builder.input("B", TensorType(dims((4 // shared, columns, 3)), FLOAT32))
    c = builder.input("C", TensorType(dims((4 // shared, columns, 2)), FLOAT32))
    s = builder.reduce("S", (4, 5, columns), (3,), lambda h, i, j, k: a[h, i, k] * b[floordiv(h, shared), j, k])
    p = middle(builder, lambda *at: s[at])
    result = builder.reduce("O", (4, 5, 2), (columns,), lambda h, i, w, j: p(h, i, j) * c[floordiv(h, shared), j, w])
    return builder.build(result)


def chain_of(function: TensorFunction) -> RowChain | None:
    stages = stages_of(function)
    assert stages is not None
    return row_chain_of(stages)


def softmax(builder: Compute, s: Callable[..., Expr]) -> Callable[..., Expr]:
    top = builder.reduce("top", (4, 5, 1), (6,), lambda h, i, _, j: s(h, i, j), "max")
    e = builder.compute("e", (4, 5, 6), lambda h, i, j: intrin("exp", s(h, i, j) - top[h, i, 0]))
    total = builder.reduce("total", (4, 5), (6,), lambda h, i, j: e[h, i, j])
    p = builder.compute("p", (4, 5, 6), lambda h, i, j: e[h, i, j] / total[h, i])
    return lambda *at: p[at]


def test_parts_of_attention() -> None:
    chain = chain_of(chained(softmax))
    assert chain is not None
    assert [stage.block.name for stage in chain.middle] == ["top", "e", "total", "p"]
    assert (chain.queries.buffer.name, chain.keys.buffer.name, chain.values.buffer.name) == ("A", "B", "C")
    assert [it.extent for it in chain.rows] == list(dims((4, 5)))
    assert chain.tile == 1
    places = {buffer.name: place for buffer, place in chain.places.items()}
    assert places == {
        "S": (0, 1, COLUMN),
        "top": (0, 1, UNIT),
        "e": (0, 1, COLUMN),
        "total": (0, 1),
        "p": (0, 1, COLUMN),
    }


def test_shared_heads_are_no_rows_of_a_tile() -> None:
    chain = chain_of(chained(softmax, shared=2))
    assert chain is not None
    assert chain.tile == 1


def test_nothing_in_between_is_a_chain() -> None:
    assert chain_of(chained(lambda _, s: s, columns=N)) is not None


def across_rows(builder: Compute, s: Callable[..., Expr]) -> Callable[..., Expr]:
    total = builder.reduce("total", (4, 6), (5,), lambda h, j, i: s(h, i, j))
    p = builder.compute("p", (4, 5, 6), lambda h, i, j: s(h, i, j) / total[h, j])
    return lambda *at: p[at]


def shifted(builder: Compute, s: Callable[..., Expr]) -> Callable[..., Expr]:
    p = builder.compute("p", (4, 5, 6), lambda h, i, j: s(h, i, (j + 1) % 6))
    return lambda *at: p[at]


def transposed(builder: Compute, s: Callable[..., Expr]) -> Callable[..., Expr]:
    p = builder.compute("p", (4, 5, 6), lambda h, i, j: s(h, i, j) + s(h, (i + 1) % 5, j))
    return lambda *at: p[at]


def part_of_a_row(builder: Compute, s: Callable[..., Expr]) -> Callable[..., Expr]:
    total = builder.reduce("total", (4, 5), (3,), lambda h, i, j: s(h, i, j))
    p = builder.compute("p", (4, 5, 6), lambda h, i, j: s(h, i, j) / total[h, i])
    return lambda *at: p[at]


@pytest.mark.parametrize("middle", [across_rows, shifted, transposed, part_of_a_row])
def test_what_crosses_rows_is_none(middle: Row) -> None:
    assert chain_of(chained(middle)) is None


def test_a_single_contraction_is_none() -> None:
    builder = Compute("dense")
    a = builder.input("A", TensorType(dims((4, 3)), FLOAT32))
    b = builder.input("B", TensorType(dims((3, 5)), FLOAT32))
    assert chain_of(builder.build(builder.reduce("S", (4, 5), (3,), lambda i, j, k: a[i, k] * b[k, j]))) is None
