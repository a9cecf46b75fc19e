"""Bounds of dimensions, as modules and tensor functions state them."""

from __future__ import annotations

import pytest

from tondo.arith import Interval, bounds_attribute, dimension_bounds, size_analyzer, size_bounds
from tondo.ir import FLOAT32, Attrs, Buffer, IRModule, Seq, TensorFunction, Var
from tondo.script import parse, script

N, M = Var("n"), Var("m")


def function(**bounds):
    attrs = Attrs(bounds=bounds) if bounds else Attrs()
    return TensorFunction("f", (N, M, Buffer("y", (N, M), FLOAT32)), Seq(()), 1, attrs)


def test_a_dimension_is_at_least_1_unless_something_else_is_said():
    assert size_bounds(function()) == {N: Interval(1, None), M: Interval(1, None)}
    assert size_bounds(function(m=(0, 7))) == {N: Interval(1, None), M: Interval(0, 7)}


@pytest.mark.parametrize(("bounds", "proven"), [({}, True), ({"n": (0, None)}, False), ({"n": (2, 9)}, True)])
def test_proofs_use_the_bounds(bounds, proven):
    known = size_analyzer(function(**bounds))
    assert known.prove(N >= 1) is proven
    assert known.prove(N <= 9) is (bounds.get("n") == (2, 9))


def test_what_the_module_says_comes_before_what_is_given():
    module = IRModule.of(attrs=Attrs(dimensions=bounds_attribute({"n": Interval(0, 4)})))
    assert dimension_bounds(module, {"n": (1, None), "m": (3, 3)}) == {"n": Interval(0, 4), "m": Interval(3, 3)}
    assert dimension_bounds(IRModule.of(), {}) == {}


def test_bounds_are_printed_and_read():
    module = IRModule.of(function(m=(0, None)), attrs=Attrs(dimensions={"m": (0, None)}))
    assert parse(script(module)) == module
