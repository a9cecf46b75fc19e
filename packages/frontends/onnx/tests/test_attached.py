"""Nodes of operators that say themselves which nodes they are."""

from __future__ import annotations

import numpy as np
import pytest

import tondo
from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import OpCall
from tondo.plugin import LoadOptions
from tondo_onnx import OnnxFrontend
from tondo_onnx.extension import HOOK, OnnxConverter
from tondo_ops import OPERATORS

# The bodies of operators are script: names such as Buffer have no meaning to Python.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false


@tondo.operator(name="mine.mix", onnx="com.acme::Mix", outputs=2)
def mix(
    x: Buffer((n, 2)),
    w: Buffer((2,)),
    y: Buffer((n, 2)),
    z: Buffer((n,)),
    *,
    by: float = 1.0,
    power: int = 1,
    flags: tuple[int, ...] = (0, 1),
    weights: tuple[float, ...] = (1.0, 1.0),
    kind: str = "plain",
    kinds: tuple[str, ...] = ("a", "b"),
    negate: bool = False,
):
    for i in range(n):
        for j in range(2):
            y[i, j] = x[i, j] * w[j] * by * power
    for i in range(n):
        if kind == "plain":
            z[i] = x[i, flags[0]] * weights[0] + x[i, flags[1]] * weights[1]
        elif kinds[0] == "minus" and negate:
            z[i] = -x[i, 0]
        else:
            z[i] = x[i, 0]


@tondo.operator(name="mine.relu", onnx="ai.onnx::Relu")
def leaky(x: Tensor((n,), "float32")) -> Tensor((n,), "float32"):
    return max(x, x * 0.5)


LIBRARY = {**OPERATORS, mix.name: mix, leaky.name: leaky}
X = np.array([[1.0, 2.0], [3.0, -4.0], [0.5, 0.25]], np.float32)
W = np.array([2.0, 3.0], np.float32)


def load(model, **options):
    return OnnxFrontend().load(model, LoadOptions(operators=LIBRARY, **options))


def model(tools, *, inputs=("x", "w"), **attributes):
    node = tools.node("Mix", inputs, ["y", "z"], domain="com.acme", **attributes)
    return tools.model([node], {"x": ("float32", ("b", 2)), "w": ("float32", (2,))}, ["y", "z"], domains=["com.acme"])


@pytest.mark.parametrize(
    ("attributes", "y", "z"),
    [
        ({}, X * W, X[:, 0] + X[:, 1]),
        ({"by": 0.5, "power": 3}, X * W * 1.5, X[:, 0] + X[:, 1]),
        ({"flags": [1, 1], "weights": [2.0, 3.0]}, X * W, X[:, 1] * 5),
        ({"kind": "other"}, X * W, X[:, 0]),
        ({"kind": "other", "kinds": ["minus"], "negate": 1}, X * W, -X[:, 0]),
    ],
)
def test_inputs_in_order_and_attributes_by_name(tools, attributes, y, z):
    found = run_graph(load(model(tools, **attributes)), [X, W], LIBRARY)
    np.testing.assert_allclose(found[0], y, rtol=1e-6)
    np.testing.assert_allclose(found[1], z, rtol=1e-6)


def test_results_that_are_left_out(tools):
    node = tools.node("Mix", ["x", "w"], ["", "z"], domain="com.acme")
    made = tools.model([node], {"x": ("float32", ("b", 2)), "w": ("float32", (2,))}, ["z"], domains=["com.acme"])
    np.testing.assert_allclose(run_graph(load(made), [X, W], LIBRARY)[0], X[:, 0] + X[:, 1])


def test_sizes_that_may_differ_are_compared_in_the_call(tools):
    node = tools.node("Mix", ["x", "w"], ["y", "z"], domain="com.acme")
    made = tools.model([node], {"x": ("float32", ("b", "c")), "w": ("float32", (2,))}, ["y", "z"], domains=["com.acme"])
    module = load(made)
    np.testing.assert_allclose(run_graph(module, [X, W], LIBRARY)[1], X[:, 0] + X[:, 1])
    with pytest.raises(TondoError):
        run_graph(module, [np.ones((2, 3), np.float32), W], LIBRARY)


@pytest.mark.parametrize(
    ("attributes", "inputs", "message"),
    [
        ({"other": 1.0}, ("x", "w"), "has no attribute 'other'"),
        ({"by": "text"}, ("x", "w"), "attribute 'by' of node .* is a STRING, not a FLOAT"),
        ({"negate": 7}, ("x", "w"), "is 7, not 0 or 1"),
        ({}, ("x",), "it takes 2 inputs, 1 are given"),
        ({}, ("x", ""), "input 1 is missing"),
        ({}, ("w", "x"), "input 'x' has 1 dimensions, not 2"),
    ],
)
def test_nodes_that_do_not_fit(tools, attributes, inputs, message):
    with pytest.raises(TondoError, match=message):
        load(model(tools, inputs=inputs, **attributes))


def test_an_operator_may_take_the_place_of_a_standard_one(tools):
    made = tools.model([tools.node("Relu", ["x"])], {"x": ("float32", (3,))})
    module = load(made)
    x = np.array([-2.0, 0.0, 4.0], np.float32)
    np.testing.assert_array_equal(run_graph(module, [x], LIBRARY)[0], [-1, 0, 4])


def test_a_converter_that_a_package_brings_comes_first(tools):
    plain = OnnxConverter("com.acme", "Mix", lambda site: (site.arg(0), site.arg(1)))
    module = load(model(tools), components={HOOK: {plain.name: plain}})
    np.testing.assert_array_equal(run_graph(module, [X, W], LIBRARY)[0], X)


def test_the_survey_names_the_operator(tools):
    (used,) = OnnxFrontend().survey(model(tools), LoadOptions(operators=LIBRARY))
    assert used.reason is None
    assert [call.op for call in used.calls] == ["mine.mix"]
    assert all(isinstance(call, OpCall) for call in used.calls)
