"""Products whose results have no elements are left to other rules; layouts and tiles are chosen all the same."""

from __future__ import annotations

import pytest

from tondo.ir import FLOAT32, Compute, TensorType, dims
from tondo.passes import Miss
from tondo.passes.rule import RecordedChoices
from tondo.target import Caches, Target
from tondo_cpu.contraction.rule import ContractionRule
from tondo_cpu.contraction.tile import best
from tondo_cpu.machine import Machine

WIDE = Target("cpu", "any", "any", frozenset(), 512, 32, Caches(32768, 1 << 20, 0), 2)


def product(rows, columns, depth):
    b = Compute("product")
    x = b.input("x", TensorType(dims((rows, depth)), FLOAT32))
    w = b.input("w", TensorType(dims((depth, columns)), FLOAT32))
    y = b.reduce("y", (rows, columns), (depth,), lambda i, j, k: x[i, k] * w[k, j], "sum")
    return b.build(b.compute("z", (rows, columns), lambda i, j: y[i, j] + 1.0))


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_to_compute_is_a_miss(rows, columns):
    rule = ContractionRule()
    function = product(rows, columns, 7)
    result = rule.apply(function, RecordedChoices(WIDE))
    assert isinstance(result, Miss)
    assert "no elements" in result.reason
    assert isinstance(rule.wishes(function, WIDE), tuple)


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, 0), (0, 0)])
def test_a_tile_is_chosen_for_no_rows_or_columns(rows, columns):
    tile = best(Machine.of(WIDE, FLOAT32), rows, columns)
    assert tile.rows >= 1
    assert tile.vectors >= 1
