"""Functions written in Python files: this file is the user's file."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import tondo.script
from tondo.diagnostics import TondoError
from tondo.interp import run_graph, run_tensor_function
from tondo.ir import FLOAT32, Attrs, Const, GraphFunction, IRModule, TensorFunction, Var, walk
from tondo.script import graph_function, parse, script, tensor_function
from tondo.script import tensor_function as kernel

# The bodies below are script: names such as Buffer, serial and exp have no meaning to Python.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false


@tensor_function
def softplus(n: int64, x: Buffer((n, 8), "float32"), y: Buffer((n, 8), "float32")):
    """A docstring is no statement."""
    for i in parallel(n):
        for j in range(8):
            with block("softplus"):
                a = spatial(n, i)
                b = spatial(8, j)
                reads(x[a, b])
                writes(y[a, b])
                y[a, b] = log1p(exp(x[a, b]))


SHIFT = 2


@kernel(outputs=SHIFT, attrs={"stage": "hand", "shift": SHIFT})
def two_results(x: Buffer((4,)), y: Buffer((4,)), z: Buffer((4,), "int32")):
    # An alias of the decorator and computed options are fine: these are Python.
    t = allocate((4,), "float32", scope="local")
    for i in serial(4):
        t[i] = x[i] * 2
        t[i] += 1 if i < 2 else -1
        y[i] = t[i]
        store(z[i], cast("int32", t[i]), where=i > 0)
    z[0] = -7


@graph_function
def main(x: Tensor((n, 8), "float32")):
    y: Tensor((n, 8), "float32") = call_dps("softplus", x, scalars=(n,))  # layer.1
    return y


def test_tensor_function() -> None:
    assert isinstance(softplus, TensorFunction)
    x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(3, 8)
    np.testing.assert_allclose(run_tensor_function(softplus, [x])[0], np.log1p(np.exp(x)), rtol=1e-6)


def test_options_and_conveniences() -> None:
    assert two_results.outputs == 2
    assert two_results.attrs == Attrs(stage="hand", shift=2)
    y, z = run_tensor_function(two_results, [np.array([1, 2, 3, 4], np.float32)])
    np.testing.assert_array_equal(y, [3, 5, 5, 7])
    np.testing.assert_array_equal(z, [-7, 5, 5, 7])


def test_graph_function() -> None:
    assert isinstance(main, GraphFunction)
    assert main.bindings[0].source == "layer.1"
    module = IRModule.of(softplus, main)
    x = np.ones((2, 8), np.float32)
    np.testing.assert_allclose(run_graph(module, [x], {})[0], np.log1p(np.exp(x)), rtol=1e-6)
    assert parse(script(module)) == module


def test_spans_point_into_this_file() -> None:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    spans = [item.span for item in walk(softplus) if getattr(item, "span", None) is not None]
    assert len(spans) > 10
    texts = set()
    for span in spans:
        assert span.file == inspect.getsourcefile(test_spans_point_into_this_file)
        if span.line == span.end_line:
            texts.add(lines[span.line - 1][span.column - 1 : span.end_column - 1])
    assert {"log1p(exp(x[a, b]))", "y[a, b] = log1p(exp(x[a, b]))", "x[a, b]", "a"} <= texts


def test_errors_point_into_this_file() -> None:
    with pytest.raises(TondoError) as caught:

        @tensor_function
        def wrong(x: Buffer((4,)), y: Buffer((4,))):
            # A comment
            # less indented than the function
            y[0] = x[0] + unknown

    diagnostic = caught.value.diagnostics[0]
    line = Path(__file__).read_text(encoding="utf-8").splitlines()[diagnostic.span.line - 1]
    assert line[diagnostic.span.column - 1 :] == "unknown"
    assert diagnostic.source == line
    assert (diagnostic.code, diagnostic.message) == ("TND-S002", "unknown name 'unknown'")


def test_parse_function_reads_the_decorator() -> None:
    def tensor_function(function: object) -> object:
        return function

    @tensor_function
    def inner(x: Buffer((1,))):
        x[0] = 1.0

    def plain(x: Buffer((1,))):
        x[0] = 1.0

    assert tondo.script.parse_function(inner).name == "inner"
    with pytest.raises(TondoError, match="neither a @tensor_function nor a @graph_function"):
        tondo.script.parse_function(plain)


def test_what_has_no_source_is_refused() -> None:
    namespace: dict[str, object] = {}
    exec("def f(x): pass", namespace)
    with pytest.raises(TondoError, match="TND-S001"):
        tensor_function(namespace["f"])  # type: ignore[arg-type]
    with pytest.raises(TondoError, match="only a function written with 'def'"):
        tensor_function(lambda x: x)


def test_numbers_take_the_dtype_of_their_neighbour() -> None:
    text = '@tensor_function\ndef f(x: Buffer((4,), "float16"), y: Buffer((4,), "float16")):\n'
    text += "    y[0] = max(x[0], 0) * 2 + 1.5\n"
    kinds = {str(item.dtype) for item in walk(parse(text).tensor("f").body) if isinstance(item, Const)}
    assert kinds == {"float16", "int64"}
    lanes = "x[ramp(0, 1, 4)]"
    vector = "@tensor_function\ndef f(x: Buffer((4,)), y: Buffer((4,))):\n"
    vector += f"    y[ramp(0, 1, 4)] = 2 * {lanes} + fma({lanes}, 1.5, {lanes})\n"
    assert parse(script(parse(vector))) == parse(vector)
    assert FLOAT32.with_lanes(4) in {
        item.dtype for item in walk(parse(vector).tensor("f").body) if hasattr(item, "dtype")
    }
    assert Var("i") == Var("i")
