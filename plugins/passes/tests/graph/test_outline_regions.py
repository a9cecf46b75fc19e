"""``graph.outline_regions``: regions become functions, the module means the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tondo.interp import run_graph
from tondo.ir import CallGraph, ConstantRef, IfRegion, IRModule, LoopRegion
from tondo.passes import PassContext
from tondo.passes.verify import verify
from tondo.script import parse
from tondo_ops import OPERATORS
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.outline_regions import OutlineRegions

KIND = 'Tensor((n, 2), "float32")'
BRANCH = f"""
@graph_function
def main(flag: Tensor((), "bool"), x: {KIND}, y: {KIND}):
    unused: {KIND} = call("neg", y)
    def then():
        a: {KIND} = call("add", x, y)
        def inner():
            b: {KIND} = call("mul", a, a)
            return (b,)
        def other():
            return (x,)
        c: {KIND} = if_region(flag, inner, other)
        return (c, a)
    def orelse():
        return (y, x)
    u, v = if_region(flag, then, orelse, results=({KIND}, {KIND}))
    return (u, v)
"""
LOOP = f"""
CONSTANTS = {{"yes": data("bool", (), (True,))}}


@graph_function
def main(trips: Tensor((), "int64"), x: {KIND}, w: {KIND}):
    def body(i: Tensor((), "int64"), alive: Tensor((), "bool"), s: {KIND}, same: {KIND}):
        a: {KIND} = call("add", s, same)
        return (constant("yes"), a, same, s)
    y, z, rows = loop_region(trips, None, (x, w), body, results=({KIND}, {KIND}, Tensor((m, n, 2), "float32")))
    t: {KIND} = call("add", y, z)
    return (t, rows)
"""


def outlined(text: str, context: PassContext) -> tuple[IRModule, IRModule]:
    before = parse(text)
    after = OutlineRegions().run(before, context)
    assert verify(after) == []
    return before, after


def test_branches_become_functions(context: PassContext, round_trips: Callable[[IRModule], None]) -> None:
    before, after = outlined(BRANCH, context)
    round_trips(after)
    assert set(after.functions) == {"main", "main_then", "main_else", "main_then_then", "main_then_else"}
    assert all(function.attrs.get("inner") is (function.name != "main") or function.name == "main"
               for function in after.graph_functions())  # fmt: skip
    branch = after.graph().bindings[1].operation
    assert isinstance(branch, IfRegion)
    (call,) = branch.then.bindings
    assert call.operation == CallGraph("main_then", tuple(after.graph().params[i] for i in (1, 2, 0)))
    x, y = (np.full((3, 2), value, np.float32) for value in (2.0, 3.0))
    for flag in (True, False):
        for one, other in zip(*(run_graph(m, [np.array(flag), x, y], OPERATORS) for m in (before, after)), strict=True):
            np.testing.assert_array_equal(one, other)
    assert OutlineRegions().run(after, context) == after


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_loops_that_stay_true_are_counted(context: PassContext, trips: int) -> None:
    before, after = outlined(LOOP, context)
    binding = after.graph().bindings[0]
    loop = binding.operation
    assert isinstance(loop, LoopRegion)
    assert isinstance(loop.body.results[0], ConstantRef), "the condition is not computed"
    assert len(loop.carried) == 1, "what stays as it is is not carried"
    assert [var.name for var in binding.vars] == ["y", "rows"]
    x, w = (np.full((3, 2), value, np.float32) for value in (2.0, 3.0))
    for one, other in zip(*(run_graph(m, [np.array(trips), x, w], OPERATORS) for m in (before, after)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_dimensions_keep_what_binds_them_alive(context: PassContext) -> None:
    text = """
@graph_function
def main(x: Tensor((n,), "float32"), count: Tensor((2,), "int64")):
    bind_dims(count, (p - 1, q - 1), results=())
    y: Tensor((p - 1,), "int64") = call("range", attrs={"count": expr(p - 1)})
    z: Tensor((q - 1,), "float32") = call("neg", x)
    return (y,)
"""
    after = DeadCode().run(parse(text), context).graph()
    assert [len(binding.vars) for binding in after.bindings] == [0, 1]
    gone = DeadCode().run(parse(text.replace("return (y,)", "return (x,)")), context).graph()
    assert gone.bindings == ()
