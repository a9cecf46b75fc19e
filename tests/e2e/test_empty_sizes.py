"""Sizes of 0 at the entry: calls with nothing to do are skipped, reductions over nothing have their identity."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import tondo
from tondo_runtime import RuntimeFailure

pytestmark = pytest.mark.llvm

F = np.float32
GENERATOR = np.random.default_rng(5)


def built(nodes, inputs, outputs=("y",), *, opset=20):
    values = [helper.make_tensor_value_info(name, 1, list(shape)) for name, shape in inputs.items()]
    graph = helper.make_graph(
        list(nodes), "g", values, [helper.make_tensor_value_info(name, 1, None) for name in outputs]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def compiled(model, **config):
    return tondo.compile(
        model, threads=1, config={"cache": False, "codegen": {"use": "llvm", "opt_level": 1}, **config}
    )


def check(model, *shapes):
    """Compare with the reference evaluator at every list of shapes."""
    ours, theirs = compiled(model), ReferenceEvaluator(model)
    names = [entry.name for entry in model.graph.input]
    for arrays in shapes:
        feed = {name: GENERATOR.standard_normal(shape).astype(F) for name, shape in zip(names, arrays, strict=True)}
        with np.errstate(all="ignore"):
            wanted = theirs.run(None, feed)
        for found, other in zip(ours.run(feed).values(), wanted, strict=True):
            np.testing.assert_allclose(found, other, rtol=1e-4, atol=1e-5)


REDUCTIONS = ["ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceLogSumExp",
              "ReduceSumSquare"]  # fmt: skip


@pytest.mark.parametrize("op", REDUCTIONS)
def test_reductions(op):
    axes = helper.make_tensor("axes", 7, [1], [1])
    model = built([node(op, ["x", "axes"], keepdims=0)], {"x": ("n", "m", 5)})
    model.graph.initializer.append(axes)
    check(model, [(3, 4, 5)], [(3, 0, 5)], [(0, 4, 5)], [(0, 0, 5)])


def test_products():
    model = built([node("MatMul", ["a", "b"])], {"a": ("batch", "n", "k"), "b": ("k", 16)})
    check(model, [(2, 3, 8), (8, 16)], [(2, 3, 0), (0, 16)], [(2, 0, 8), (8, 16)], [(0, 3, 0), (0, 16)])


@pytest.mark.parametrize("rows", ["n", 4])
def test_products_with_an_epilogue(rows):
    nodes = [node("Gemm", ["a", "b", "c"], ["t"]), node("Relu", ["t"])]
    model = built(nodes, {"a": (rows, "k"), "b": ("k", 24), "c": (24,)})
    check(model, [(4, 8), (8, 24), (24,)], [(4, 0), (0, 24), (24,)])


def test_a_cache_that_is_empty_at_first():
    nodes = [
        node("Concat", ["past", "new"], ["keys"], axis=1),
        node("Transpose", ["keys"], ["turned"], perm=[0, 2, 1]),
        node("MatMul", ["q", "turned"], ["scores"]),
        node("Softmax", ["scores"], ["weights"], axis=-1),
        node("MatMul", ["weights", "keys"]),
    ]
    model = built(nodes, {"past": ("b", "past", 8), "new": ("b", "n", 8), "q": ("b", "n", 8)}, ["y", "keys"])
    sizes = [(2, 5, 1), (2, 0, 1), (1, 0, 3), (0, 4, 1), (0, 0, 0)]
    check(model, *[[(b, past, 8), (b, n, 8), (b, n, 8)] for b, past, n in sizes])


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Softmax", {"axis": 1}),
        ("LayerNormalization", {"axis": -1}),
        ("Transpose", {"perm": [1, 0]}),
        ("CumSum", {}),
    ],
)
def test_operators_along_an_empty_axis(op, attributes):
    more = {"LayerNormalization": ["s"], "CumSum": ["axis"]}.get(op, [])
    inputs = {"x": ("n", "m"), **({"s": ("m",)} if "s" in more else {})}
    model = built([node(op, ["x", *more], **attributes)], inputs)
    if "axis" in more:
        model.graph.initializer.append(helper.make_tensor("axis", 7, [], [1]))
    shapes = [(3, 4), (3, 0), (0, 4), (0, 0)]
    check(model, *[[shape, *([(shape[1],)] if "s" in more else [])] for shape in shapes])


def test_a_window_has_to_fit():
    model = compiled(built([node("MaxPool", ["x"], kernel_shape=[3])], {"x": ("n", 4, "width")}))
    assert model(np.zeros((0, 4, 7), F)).shape == (0, 4, 5)
    with pytest.raises(RuntimeFailure, match="'width' has to be at least 1"):
        model(np.zeros((2, 4, 0), F))


def test_bounds_of_the_configuration():
    source = built([node("Relu", ["x"])], {"x": ("n", "m")})
    model = compiled(source, dimensions={"n": {"min": 1}, "m": {"max": 4}})
    assert model(np.zeros((2, 0), F)).shape == (2, 0)
    for shape, word in [((0, 2), "at least 1"), ((2, 5), "at most 4")]:
        with pytest.raises(RuntimeFailure, match=word):
            model(np.zeros(shape, F))


def test_the_interpreter_permits_the_same():
    source = built([node("MaxPool", ["x"], kernel_shape=[3])], {"x": ("n", 4, "width")})
    model = tondo.compile(source, target="interp")
    assert model(np.zeros((0, 4, 7), F)).shape == (0, 4, 5)
    with pytest.raises(RuntimeFailure, match="'width' has to be at least 1"):
        model(np.zeros((2, 4, 0), F))


def test_threads():
    model = tondo.compile(
        built([node("MatMul", ["a", "b"])], {"a": ("n", 64), "b": (64, 32)}), threads=2, config={"cache": False}
    )
    b = GENERATOR.standard_normal((64, 32)).astype(F)
    for rows in (0, 300, 0):
        a = GENERATOR.standard_normal((rows, 64)).astype(F)
        np.testing.assert_allclose(model(a, b), a @ b, rtol=1e-4, atol=1e-4)
