"""Dimensions may be 0 where the model permits that; the module says which."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.arith import Interval
from tondo.ir import Const, Var, maximum, minimum
from tondo_onnx.build.dims import Dimensions

F = "float32"


def _bounds(module):
    return {name: tuple(limits) for name, limits in module.attrs.get("dimensions", {}).items()}


# -- arithmetic


def test_what_holds_for_0_as_well_requires_nothing():
    dims = Dimensions()
    n, m = dims.symbol("n"), dims.symbol("m")
    assert dims.simplify(n + m + 1 - n) == m + 1
    assert dims.truth(n + 1 > 0) is True
    assert dims.truth(n.eq(5)) is None
    assert dims.bounds() == {"n": Interval(0, None), "m": Interval(0, None)}


def test_a_form_that_needs_a_size_of_1_requires_it():
    dims = Dimensions()
    n, m = dims.symbol("n"), dims.symbol("m")
    assert dims.simplify(minimum(n, 1)) == Const(1)
    assert dims.vanishing == (m,)
    assert dims.truth(maximum(m, 2) > 0) is True
    assert dims.truth(m > 0) is True
    assert dims.vanishing == ()
    assert dims.bounds() == {}


def test_one_of_several_sizes_is_enough():
    dims = Dimensions()
    n, m = dims.symbol("n"), dims.symbol("m")
    assert dims.same(dims.simplify(maximum(n + m, 1)), n + m)
    assert dims.vanishing == (m,)


def test_a_divisor_is_at_least_1():
    dims = Dimensions()
    n, m = dims.symbol("n"), dims.symbol("m")
    dims.quotient([n * 6], [n])
    assert dims.vanishing == (n, m)
    dims.quotient([n * 6], [m])
    assert dims.vanishing == (n,)


def test_what_the_user_says_counts():
    dims = Dimensions({"n": (1, None), "m": (0, 8), "k": (None, 16), "z": (None, 0)})
    assert dims.symbol("z") == Const(0)
    n, m, k = (dims.symbol(name) for name in "nmk")
    assert dims.vanishing == (k,)
    assert dims.simplify(minimum(m, 1)) == minimum(m, 1)
    assert dims.bounds() == {"m": Interval(0, 8), "k": Interval(0, 16)}
    dims.require([n, m, k])
    assert dims.bounds() == {"m": Interval(0, 8), "k": Interval(1, 16)}


# -- models


@pytest.mark.parametrize(
    ("op", "attributes", "permitted"),
    [
        ("Relu", {}, ["n", "m"]),
        ("ReduceSum", {"keepdims": 0}, ["n", "m"]),
        ("Softmax", {"axis": 1}, ["n", "m"]),
        ("MaxPool", {"kernel_shape": [3]}, ["n"]),
        ("AveragePool", {"kernel_shape": [3], "pads": [1, 1]}, ["n"]),
    ],
)
def test_operators_decide(tools, op, attributes, permitted):
    shape = ("n", 4, "m") if "Pool" in op else ("n", "m")
    module = tools.load(tools.model([tools.node(op, ["x"], **attributes)], {"x": (F, shape)}))
    assert _bounds(module) == dict.fromkeys(permitted, (0, None))


def test_the_last_of_a_sequence_needs_one(tools):
    constants = {"start": np.array([-1]), "end": np.array([1 << 40]), "axes": np.array([1])}
    node = tools.node("Slice", ["x", "start", "end", "axes"])
    module = tools.load(tools.model([node], {"x": (F, ("batch", "seq", 8))}, constants=constants))
    assert module.graph().results[0].tensor.dims == (Var("batch"), Const(1), Const(8))
    assert _bounds(module) == {"batch": (0, None)}


def test_a_cache_may_be_empty(tools, rng):
    node = tools.node("Concat", ["past", "x"], axis=1)
    model = tools.model([node], {"past": (F, (2, "past", 4)), "x": (F, (2, 1, 4))})
    assert _bounds(tools.load(model)) == {"past": (0, None)}
    tools.check(model, np.zeros((2, 0, 4), F), rng.normal(size=(2, 1, 4)).astype(F))


def test_bounds_of_the_user_stand_in_the_module(tools):
    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, ("n", "m"))})
    assert _bounds(tools.load(model, dimensions={"n": (1, None), "m": (None, 9)})) == {"m": (0, 9)}
