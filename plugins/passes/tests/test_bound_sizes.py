"""``tensor.bound_sizes``: kernels learn the sizes of their dimensions from the calls of the module."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tondo.arith import Interval, size_bounds
from tondo.ir import Var
from tondo.script import parse
from tondo_passes.tensor import lower_function
from tondo_passes.tensor.bound_sizes import BoundSizes

MODULE = """
@tensor_function
def total(n: "int64", m: "int64", x: Buffer((n, m)), y: Buffer((m,))):
    for j in serial(m):
        for i in serial(n):
            with block("y"):
                vj = spatial(m, j)
                vi = reduction(n, i)
                reads(x[vi, vj])
                writes(y[vj])
                with init():
                    y[vj] = 0.0
                y[vj] = y[vj] + x[vi, vj]


@graph_function
def main(x: Tensor((n, m), "float32"), z: Tensor((k, m), "float32")):
    y: Tensor((m,), "float32") = call_dps("total", x, scalars=(n, m))
    w: Tensor((m,), "float32") = call_dps("total", z, scalars=(k, m))
    return (y, w)
"""


def bounded(context, **dimensions):
    module = parse(MODULE)
    return BoundSizes().run(module, replace(context, dimensions=dimensions)).tensor("total")


def of(function):
    return {var.name: limits for var, limits in size_bounds(function).items()}


def test_without_bounds_nothing_is_said(context):
    module = parse(MODULE)
    assert BoundSizes().run(module, context) == module


def test_bounds_of_all_calls_are_joined(context):
    found = of(bounded(context, n=(2, 8), k=(4, 16), m=(1, 3)))
    assert found == {"n": Interval(2, 16), "m": Interval(1, 3)}
    assert of(bounded(context, n=(2, 8)))["n"] == Interval(1, None)


def test_a_kernel_is_not_called_without_results(context):
    """``m`` is a dimension of the result, so the call would be skipped; a sum over nothing has to be made."""
    found = of(bounded(context, n=(0, None), m=(0, None)))
    assert found == {"n": Interval(0, None), "m": Interval(1, None)}


def test_a_sum_over_nothing_is_0(context, evaluate):
    function = lower_function(bounded(context, n=(0, None)))
    assert Var("n") in function.scalars
    (found,) = evaluate(function, [np.ones(0, np.float32)], n=0, m=3)
    np.testing.assert_array_equal(found, np.zeros(3, np.float32))
