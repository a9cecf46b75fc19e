"""Branches, loops and sizes that the call finds out: the form of the host function, and whole modules run."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tondo
from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import IRModule
from tondo.passes import PassContext
from tondo.script import parse, script
from tondo_ops import OPERATORS
from tondo_passes.graph.define import Define
from tondo_passes.graph.outline_regions import OutlineRegions
from tondo_passes.graph.own_results import OwnResults
from tondo_passes.host.lower import LowerHost
from tondo_passes.host.plan_memory import PlanMemory

KIND = 'Tensor((n, 8), "float32")'
BRANCH = f"""
@graph_function
def main(flag: Tensor((), "bool"), x: {KIND}):
    def then():
        a: {KIND} = call("add", x, x)
        b: {KIND} = call("relu", a)
        return (b,)
    def orelse():
        return (x,)
    y: {KIND} = if_region(flag, then, orelse)
    z: {KIND} = call("add", y, x)
    return (z, y)
"""
# A carried value is handed on to another one, and both are results; the number of rows is found out.
LOOP = f"""
@graph_function
def main(trips: Tensor((), "int64"), x: {KIND}):
    def body(i: Tensor((), "int64"), alive: Tensor((), "bool"), s: {KIND}, t: {KIND}):
        a: {KIND} = call("add", s, x)
        return (alive, a, s, a)
    y, z, rows = loop_region(trips, None, (x, x), body, results=({KIND}, {KIND}, Tensor((m - 1, n, 8), "float32")))
    u: {KIND} = call("add", y, z)
    return (u, rows, y)
"""
WHILE = f"""
@graph_function
def main(limit: Tensor((), "float32"), x: {KIND}, go: Tensor((), "bool")):
    def body(i: Tensor((), "int64"), alive: Tensor((), "bool"), s: {KIND}):
        a: {KIND} = call("add", s, s)
        top: Tensor((), "float32") = call("reduce_max", a, attrs={{"keepdims": False}})
        more: Tensor((), "bool") = call("less", top, limit)
        return (more, a)
    y: {KIND} = loop_region(None, go, (x,), body)
    return (y,)
"""
GROWING = """
@graph_function
def main(trips: Tensor((1,), "int64"), x: Tensor((n, 2), "float32"), row: Tensor((1, 2), "float32")):
    def body(i: Tensor((), "int64"), alive: Tensor((), "bool"), s: Tensor((k - 1, 2), "float32")):
        a: Tensor((k, 2), "float32") = call("concat", s, row, attrs={"axis": 0})
        b: Tensor((k, 2), "float32") = call("add", a, a)
        return (alive, b)
    y: Tensor((p - 1, 2), "float32") = loop_region(trips, None, (x,), body)
    z: Tensor((p - 1, 2), "float32") = call("neg", y)
    return (z, y)
"""
FOUND = """
@graph_function
def main(count: Tensor((2,), "int64"), x: Tensor((n,), "float32")):
    bind_dims(count, (p - 1, q - 1), results=())
    t: Tensor((), "float32") = call("reduce_mean", x, attrs={"keepdims": False})
    a: Tensor((p - 1,), "float32") = call("expand", t, attrs={"shape": (expr(p - 1),)})
    b: Tensor((q - 1, p - 1), "float32") = call("expand", a, attrs={"shape": (expr(q - 1), expr(p - 1))})
    c: Tensor((q - 1, p - 1), "float32") = call("exp", b)
    s: Tensor((), "float32") = call("reduce_sum", c, attrs={"keepdims": False})
    return (b, s)
"""


def lowered(text: str, context: PassContext) -> IRModule:
    module = parse(text)
    context = PassContext(context.target, OPERATORS, context.rules)
    for step in (OutlineRegions(), Define(), OwnResults(), PlanMemory(), LowerHost()):
        module = step.run(module, context)
    return module


def test_the_form_of_a_branch(context: PassContext) -> None:
    module = lowered(BRANCH, context)
    text = script(module.tensor("main"))
    assert re.search(r"if taken:\n.*?invoke\('relu'.*?else:\n.*?invoke\('copy'", text, re.DOTALL), text
    assert "numbers" not in module.attrs
    assert "numbers" not in text


def test_the_form_of_loops(context: PassContext) -> None:
    module = lowered(LOOP, context)
    text = script(module.tensor("main"))
    assert "for turn in serial(0, limit):" in text
    assert "turn % 2" in text
    assert "(turn + 1) % 2" in text
    assert set(module.attrs["numbers"]) == {"m", "main_body.trips"}
    assert [entry.get("slot") for entry in module.attrs["outputs"]] == [None, 0, None]
    text = script(lowered(WHILE, context).tensor("main"))
    assert re.search(r"while \(numbers\[0\] < limit\w*\) & alive\[\(\)\]:", text), text


def test_refused(context: PassContext) -> None:
    endless = WHILE.replace("return (more, a)", "return (alive, a)")
    with pytest.raises(TondoError, match="never ends"):
        lowered(endless, context)


def check(text: str, *cases: list[np.ndarray]) -> None:
    before = parse(text)
    model = tondo.compile(before, config={"cache": False, "verify": "each-pass"})
    for inputs in cases:
        found = model(*inputs)
        wanted = run_graph(before, inputs, OPERATORS)
        for mine, other in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
            assert mine.shape == other.shape
            np.testing.assert_allclose(mine, other, rtol=1e-4)


def some(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.llvm
def test_branches_run() -> None:
    check(BRANCH, *([np.array(flag), some(n, 8)] for flag in (True, False) for n in (1, 5)))


@pytest.mark.llvm
def test_counted_loops_run() -> None:
    check(LOOP, *([np.array(trips, np.int64), some(n, 8)] for trips in (-1, 0, 1, 2, 9) for n in (1, 5)))


@pytest.mark.llvm
def test_conditional_loops_run() -> None:
    cases = [(limit, n, go) for limit in (0.0, 10.0, 1e4) for n in (1, 5) for go in (True, False)]
    check(WHILE, *([np.array(limit, np.float32), np.abs(some(n, 8)), np.array(go)] for limit, n, go in cases))


@pytest.mark.llvm
def test_carried_values_may_grow() -> None:
    check(GROWING, *([np.array([trips], np.int64), some(n, 2), some(1, 2)] for trips in (0, 1, 6, 70) for n in (1, 3)))


@pytest.mark.llvm
def test_sizes_that_contents_decide() -> None:
    check(FOUND, *([np.array(count, np.int64), some(3)] for count in ((3, 2), (0, 5), (4, 0), (1, 1), (100, 30))))
    model = tondo.compile(parse(FOUND), config={"cache": False})
    with pytest.raises(Exception, match="'q'\\) is negative"):
        model(np.array([1, -1], np.int64), some(3))
    outputs = {"b": np.empty((2, 3), np.float32)}
    model.run({"count": np.array([3, 2], np.int64), "x": some(1)}, outputs)
    np.testing.assert_array_equal(outputs["b"], np.full((2, 3), some(1)[0]))
    with pytest.raises(Exception, match="has shape"):
        model.run({"count": np.array([2, 2], np.int64), "x": some(1)}, outputs)
