"""Foreign functions in host code: attributes, work in place, order of effects, results whose shapes they decide."""

from __future__ import annotations

import numpy as np
import pytest

import tondo
import tondo_runtime
from tondo.diagnostics import TondoError
from tondo.interp import run_graph, run_tensor_function
from tondo.passes import PassContext
from tondo.script import parse, script
from tondo_ops import OPERATORS
from tondo_passes.host.lower import LowerHost
from tondo_passes.host.plan_memory import PlanMemory

TEXT = """
@graph_function
def main(x: Tensor((n,), "float32"), flag: Tensor((), "bool")):
    y: Tensor((n,), "float32") = call_packed("test.scale", x, attrs={"factor": 2.5, "how": {"to": "up"}, "axes": (0, 1)}
    )
    z: Tensor((n,), "float32") = call_packed("test.bump", y, effect="inplace")
    p, q = call_packed(
        "test.larger", z, attrs={"than": 0}, results=(Tensor((k - 1,), "float32"), Tensor((k - 1, 2), "int64"))
    )
    def then():
        r: Tensor((j - 1,), "float32") = call_packed("test.larger_one", z)
        return (r,)
    def orelse():
        return (p,)
    s: Tensor((m - 1,), "float32") = if_region(flag, then, orelse)
    t: Tensor((k - 1,), "float32") = call("add", p, p)
    call_packed("test.log", z, effect="io", results=())
    return (y, z, p, q, s, t)
"""


@pytest.fixture
def log():
    """Register the functions and return what ``test.log`` was called with."""
    seen: list[float] = []

    def scale(x, y, *, factor, how, axes):
        assert (how, axes) == ({"to": "up"}, [0, 1])
        np.multiply(x, np.float32(factor), out=y)

    def bump(x):
        x += 1

    def larger(x, *, than):
        chosen = np.flatnonzero(x > than)
        return x[chosen], np.stack([chosen, -chosen], axis=1)

    functions = {
        "test.scale": scale,
        "test.bump": bump,
        "test.larger": larger,
        "test.larger_one": lambda x: x[x > 1],
        "test.log": lambda x: seen.append(float(x.sum())),
    }
    for name, function in functions.items():
        tondo_runtime.register(name, function)
    yield seen
    for name in functions:
        tondo_runtime.remove(name)


def inputs(n: int, shift: float) -> np.ndarray:
    return np.random.default_rng(n).standard_normal(n).astype(np.float32) + np.float32(shift)


@pytest.mark.llvm
def test_foreign_functions_run(log: list[float]) -> None:
    before = parse(TEXT)
    model = tondo.compile(before, config={"cache": False, "verify": "each-pass"})
    for n, shift, flag in ((1, 0, True), (5, 0, False), (300, 0, True), (300, -9, True), (300, 9, False), (2, 0, True)):
        x = inputs(n, shift)
        log.clear()
        found = model(x, np.array(flag))
        wanted = run_graph(before, [x, np.array(flag)], OPERATORS)
        for mine, other in zip(found, wanted, strict=True):
            assert mine.shape == other.shape
            np.testing.assert_allclose(mine, other, rtol=1e-6)
        np.testing.assert_allclose(found[1], x * np.float32(2.5) + 1, rtol=1e-6)
        np.testing.assert_allclose(found[0], x * np.float32(2.5), rtol=1e-6)
        assert len(log) == 2
        assert log[0] == pytest.approx(log[1], rel=1e-5)


@pytest.mark.llvm
def test_wrong_results_are_reported(log: list[float]) -> None:
    del log
    model = tondo.compile(parse(TEXT), config={"cache": False})
    for wrong, reason in (
        (lambda x: x.astype(np.float64), "returned float64 of 1 dimensions instead of float32 of 1"),
        (lambda x: x.reshape(1, -1), "returned float32 of 2 dimensions"),
        (lambda x: (x, x), "returned 2 results instead of 1"),
        (lambda x: 3, "returned a int instead of an array"),
    ):
        tondo_runtime.register("test.larger_one", wrong, override=True)
        other = tondo.compile(parse(TEXT), config={"cache": False})
        with pytest.raises(tondo_runtime.RuntimeFailure, match=reason):
            other(inputs(4, 9), np.array(True))
    assert len(model(inputs(4, 9), np.array(True))) == 6, "a session keeps the functions that it began with"


def test_the_form_of_calls(context: PassContext, log: list[float]) -> None:
    text = """
@graph_function
def main(x: Tensor((n,), "float32")):
    p, q = call_packed("test.larger", x, attrs={"than": 0}, results=(Tensor((k,), "float32"), Tensor((k, 2), "int64")))
    return (p, q)
"""
    module = LowerHost().run(PlanMemory().run(parse(text), context), context)
    assert parse(script(module)) == module
    host = module.tensor("main")
    assert "invoke_packed('test.larger', x, 0, p_shape, 1, q_shape, attrs=" in script(host)
    run_tensor_function(host, [np.array([1, -1, 2], np.float32)], None, {"n": 3}, module=module)
    del log
    unclear = PlanMemory().run(parse(text.replace('"than": 0', '"than": expr(n)')), context)
    with pytest.raises(TondoError, match="an expression cannot be passed"):
        LowerHost().run(unclear, context)
