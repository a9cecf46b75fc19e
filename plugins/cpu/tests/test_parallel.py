"""When parallel products become one: for one row, and where columns of each leave vectors or registers empty."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tondo.ir import FLOAT32, Compute, Expr, TensorType, Var, dims
from tondo.target import Caches, Target
from tondo_cpu.contraction.rule import ContractionRule
from tondo_schedule.facts import Stage, stages_of

WIDE = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 2)
B, T = Var("b"), Var("t")


def product(rows: Sequence[Expr | int], depth: int, columns: int) -> Stage:
    builder = Compute("product")
    x = builder.input("x", TensorType(dims((*rows, depth)), FLOAT32))
    w = builder.input("w", TensorType(dims((depth, columns)), FLOAT32))
    made = builder.reduce("y", (*rows, columns), (depth,), lambda *i: x[(*i[:-2], i[-1])] * w[i[-1], i[-2]])
    (stage,) = stages_of(builder.build(made)) or ()
    return stage


@pytest.mark.parametrize(
    ("rows", "depth", "columns", "combined"),
    [
        ((1,), 768, (768, 256, 256), True),
        ((B, 1), 768, (768, 256, 256), True),
        ((1, 1, 1), 768, (2048, 2048), True),
        ((1, 3), 768, (768, 256, 256), False),
        ((B,), 768, (768, 256, 256), False),
        ((B, T), 768, (768, 256, 256), False),
        ((1, T, 1), 768, (768, 256, 256), False),
        ((1, 128), 768, (768, 768, 768), False),
        ((1, 28, 28), 192, (64, 96, 16), False),
        ((1, 7, 7), 832, (384, 192, 48), False),
        ((1, 28, 28), 128, (8, 8), True),
        ((1, 28, 28), 128, (24, 4), True),
        ((1, 28, 28), 8, (8, 8), False),
    ],
)
def test_decisions(rows: Sequence[Expr | int], depth: int, columns: Sequence[int], combined: bool) -> None:
    assert ContractionRule().combines(product(rows, depth, columns[0]), columns, WIDE) is combined
