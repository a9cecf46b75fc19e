"""``graph.inline_calls``: functions called in a graph become part of it."""

from __future__ import annotations

import numpy as np
import pytest

import tondo
from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import CallGraph, MatchShape, walk
from tondo.passes import PassContext
from tondo.passes.verify import verify
from tondo.script import parse
from tondo_ops import OPERATORS
from tondo_passes.graph.inline_calls import InlineCalls

TEXT = """
@graph_function
def main(x: Tensor((n, 4), "float32"), flag: Tensor((), "bool"), k: Tensor((m, n), "float32")):
    y: Tensor((n, 4), "float32") = call_graph("twice", x)
    def then():
        a: Tensor((n, 4), "float32") = call_graph("twice", y)
        return (a,)
    def orelse():
        return (x,)
    z: Tensor((n, 4), "float32") = if_region(flag, then, orelse)
    r, s = call_graph("product", k, z, results=(Tensor((m, 4), "float32"), Tensor((p, 4), "float32")))
    return (r, s, z, y)


@graph_function
def twice(x: Tensor((k, 4), "float32")):
    b: Tensor((k, 4), "float32") = call("expand", x, attrs={"shape": (expr(k), 4)})
    c: Tensor((k, 4), "float32") = call("add", b, b)
    return (c,)


@graph_function
def product(a: Tensor((n, m), "float32"), b: Tensor((m, 4), "float32")):
    c: Tensor((n, 4), "float32") = call("matmul", a, b)
    d: Tensor((n, 4), "float32") = call_graph("twice", c)
    return (d, c)
"""


def inputs(n: int, m: int, flag: bool) -> list[np.ndarray]:
    generator = np.random.default_rng(n)
    x, k = (generator.standard_normal(shape).astype(np.float32) for shape in ((n, 4), (m, n)))
    return [x, np.array(flag), k]


def test_calls_disappear_and_the_meaning_stays(context: PassContext) -> None:
    before = parse(TEXT)
    after = InlineCalls().run(before, context)
    assert verify(after) == []
    assert not any(isinstance(item, CallGraph) for item in walk(after.graph()))
    checks = [item for item in walk(after.graph()) if isinstance(item, MatchShape)]
    assert len(checks) == 1, "only the result of a new dimension is matched"
    for n, m, flag in ((3, 2, True), (1, 5, False)):
        values = inputs(n, m, flag)
        for one, other in zip(*(run_graph(each, values, OPERATORS) for each in (before, after)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_functions_that_call_themselves_are_refused(context: PassContext) -> None:
    endless = TEXT.replace('call("add", b, b)', 'call_graph("twice", b)')
    with pytest.raises(TondoError, match="'twice' calls itself"):
        InlineCalls().run(parse(endless), context)


@pytest.mark.llvm
def test_modules_of_several_graph_functions_run() -> None:
    before = parse(TEXT)
    model = tondo.compile(before, config={"cache": False, "verify": "each-pass"})
    for n, m, flag in ((3, 2, True), (1, 5, False)):
        values = inputs(n, m, flag)
        for mine, other in zip(model(*values), run_graph(before, values, OPERATORS), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-5)
