"""Operators that are written as loops: this file is the user's file."""

from __future__ import annotations

import linecache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tondo
from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    FLOAT64,
    INT32,
    Attribute,
    Attrs,
    Binary,
    Block,
    Const,
    IRModule,
    OpCall,
    TensorType,
    Var,
    dims,
    walk,
)
from tondo.passes.verify import verify
from tondo.script import parse, script, with_blocks

# The bodies below are script: names such as Buffer, range(n) and exp have no meaning to Python.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false


@tondo.operator(name="test.gate", onnx="test.domain::Gate")
def gate(x: Buffer((n, m)), w: Buffer((m,)), y: Buffer((n, m)), *, alpha: float = 1.0):
    """Multiply by a sigmoid.

    More about it.
    """
    for i in range(n):
        for j in range(m):
            y[i, j] = x[i, j] / (1.0 + exp(-alpha * w[j] * x[i, j]))


@tondo.operator
def product(a: Buffer((n, k), T), b: Buffer((k, m), T), z: Buffer((n, m), T), *, T: DType, floor: float = 0.0):
    acc = allocate((n, m), T)
    for i in range(n):
        for j in range(m):
            acc[i, j] = 0
            for l in range(k):
                acc[i, j] += a[i, l] * b[l, j]
            z[i, j] = max(acc[i, j], floor)


@tondo.operator(outputs=2)
def parts(
    x: Buffer((2 * k + 1, n)),
    low: Buffer((k, n)),
    high: Buffer((k * n,)),
    *,
    scales: tuple[float, ...] = (1.0, 2.0),
    how: str = "plain",
    negate: bool = False,
):
    for i in range(k):
        for j in range(n):
            low[i, j] = x[i, j] * scales[0] if len(scales) > 1 else x[i, j]
    if how == "plain" and not negate:
        for i in range(k * n):
            high[i] = x[k + 1 + i // n, i % n] * scales[-1]
    elif how == "other":
        for i in range(k * n):
            high[i] = 2**3 + 7 // 2
    else:
        for i in range(k * n):
            high[i] = -x[k + 1 + i // n, i % n]


def use(operator, *shapes, dtype=FLOAT32, **attrs):
    return OpCall(operator.name, tuple(TensorType(dims(shape), dtype) for shape in shapes), Attrs(attrs))


def run(operator, *arrays, **attrs):
    call = OpCall(
        operator.name, tuple(TensorType(dims(a.shape), tondo.ir.dtype(a.dtype)) for a in arrays), Attrs(attrs)
    )
    function = operator.definition(call)
    assert verify(IRModule.of(function)) == []
    assert parse(script(IRModule.of(function))) == IRModule.of(function)
    outputs = run_tensor_function(function, list(arrays))
    assert [tuple(item.shape) for item in outputs] == [
        tuple(int(dim.value) for dim in kind.dims) for kind in operator.infer(call)
    ]
    return outputs


def numbers(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def test_what_an_operator_knows_of_itself():
    assert (gate.name, gate.doc, gate.inputs) == ("test.gate", "Multiply by a sigmoid.", 2)
    assert gate.attributes == {"alpha": Attribute("float", 1.0)}
    assert gate.nodes == {"onnx": "test.domain::Gate"}
    assert (product.name, product.inputs, dict(product.nodes)) == ("product", 2, {})
    assert gate.digest != product.digest
    assert gate.expand is None


def test_it_computes_what_it_says():
    x, w = numbers(3, 4), numbers(4)
    for alpha in (1.0, 0.5):
        np.testing.assert_allclose(run(gate, x, w, alpha=alpha)[0], x / (1 + np.exp(-alpha * w * x)), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_the_element_type_is_that_of_the_inputs(dtype):
    a, b = numbers(3, 5, dtype=dtype), numbers(5, 2, dtype=dtype)
    (found,) = run(product, a, b)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, np.maximum(a @ b, 0), rtol=1e-2 if dtype == np.float16 else 1e-5)


def test_a_constant_of_the_element_type():
    @tondo.operator
    def smallest(x: Buffer((n, m), T), y: Buffer((n,), T), *, T: DType):
        for i in range(n):
            y[i] = T("inf")
            for j in range(m):
                y[i] = min(y[i], x[i, j] * T(2))

    x = numbers(3, 4, dtype=np.float64)
    np.testing.assert_array_equal(run(smallest, x)[0], x.min(1) * 2)


def test_attributes_decide_about_the_structure():
    x = numbers(7, 2)
    low, high = run(parts, x)
    np.testing.assert_array_equal(low, x[:3])
    np.testing.assert_array_equal(high, x[4:].reshape(-1) * 2)
    np.testing.assert_array_equal(run(parts, x, negate=True)[1], -x[4:].reshape(-1))
    np.testing.assert_array_equal(run(parts, x, how="other")[1], np.full(6, 11))
    np.testing.assert_array_equal(run(parts, x, scales=(3.0,))[0], x[:3])


def test_types_of_results_follow_from_sizes():
    b, c = Var("b"), Var("c")
    assert gate.infer(use(gate, (b, 8), (8,))) == (TensorType(dims((b, 8)), FLOAT32),)
    low, high = parts.infer(use(parts, (2 * b + 1, c)))
    assert low == TensorType((b, c), FLOAT32)
    assert high == TensorType((Binary("mul", b, c),), FLOAT32)
    assert product.infer(use(product, (3, b), (b, 2), dtype=FLOAT64)) == (TensorType(dims((3, 2)), FLOAT64),)


def test_sizes_that_cannot_be_compared_are_noted():
    b, c = Var("b"), Var("c")
    taken = []
    kinds = (TensorType(dims((3, b)), FLOAT32), TensorType(dims((c, 2)), FLOAT32))
    product.infer(OpCall("product", kinds, taken=taken))
    assert taken == [(b, c)]


def test_names_of_dimensions_may_be_those_of_loops():
    call = use(product, (Var("i"), Var("acc")), (Var("acc"), 4))
    function = product.definition(call)
    assert [var.name for var in function.scalars] == ["acc", "i"]
    assert verify(IRModule.of(function)) == []
    a, b = numbers(2, 3), numbers(3, 4)
    (found,) = run_tensor_function(function, [a, b], None, {"i": 2, "acc": 3})
    np.testing.assert_allclose(found, np.maximum(a @ b, 0), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (use(gate, (3, 4)), "'test.gate' takes 2 inputs, 1 are given"),
        (use(gate, (3, 4), (5,)), "a size of input 'w' is 5, not m = 4"),
        (use(gate, (3, 4, 5), (5,)), "input 'x' has 3 dimensions, not 2"),
        (use(gate, (3, 4), (4,), dtype=INT32), "input 'x' is int32, not float32"),
        (use(gate, (3, 4), (4,), beta=1.0), "'test.gate' has no attribute 'beta'"),
        (use(gate, (3, 4), (4,), alpha="x"), "the attribute 'alpha' is 'x', not float"),
        (use(parts, (4, 2)), r"a size of input 'x' is 4, not k \* 2 \+ 1 = 3"),
        (use(parts, (5, 2), scales=(1, "a")), "the attribute 'scales'"),
    ],
)
def test_uses_that_do_not_fit(call, message):
    operator = {"test.gate": gate, "parts": parts}[call.op]
    with pytest.raises(TondoError, match=message) as caught:
        operator.infer(call)
    assert caught.value.code == "TND-M006"


def test_an_attribute_without_a_default_has_to_be_given():
    @tondo.operator
    def shifted(x: Buffer((n,)), y: Buffer((n - by,)), *, by: int):
        for i in range(n - by):
            y[i] = x[i + by]

    np.testing.assert_array_equal(run(shifted, np.arange(5, dtype=np.float32), by=2)[0], [2, 3, 4])
    with pytest.raises(TondoError, match="needs the attribute 'by'"):
        shifted.infer(use(shifted, (5,)))


CELL = """from __future__ import annotations
import tondo


@tondo.operator(name="cell.double")
def double(x: Buffer((n,)), y: Buffer((n,))):
    for i in range(n):
        y[i] = x[i] * 2
"""


def cell(text, name):
    """Run ``text`` as notebooks do: compiled under a name that only the cache of lines knows."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, object] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), scope)
    return scope


def test_an_operator_in_a_notebook_cell():
    double = cell(CELL, "<cell 1>")["double"]
    np.testing.assert_array_equal(run(double, np.ones(3, np.float32))[0], [2, 2, 2])


def test_a_mistake_in_a_notebook_cell_is_shown_there():
    with pytest.raises(TondoError) as caught:
        cell(CELL.replace("x[i] * 2", "xx[i] * 2"), "<cell 2>")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("TND-S002", "unknown name 'xx'")
    assert (diagnostic.span.file, diagnostic.span.line) == ("<cell 2>", 8)
    assert diagnostic.source == "        y[i] = xx[i] * 2"


def test_without_source_there_is_no_operator():
    scope: dict[str, object] = {}
    with pytest.raises(TondoError, match="the source of the function is not at hand") as caught:
        exec(CELL, scope)
    assert caught.value.code == "TND-S001"


HEAD = "def wrong(x: Buffer((n,)), y: Buffer((n,))):\n"
LOOP = "    for i in range(n):\n        y[i] = x[i]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.replace("y: Buffer((n,))", "y: Buffer((m,))") + LOOP, "no input gives the size 'm' of 'y'"),
        (HEAD.replace("y: Buffer((n,))", "y: Tensor((n,), 'float32')") + LOOP, "takes buffers or tensors, not both"),
        (HEAD.replace("y: Buffer((n,))", "y: int") + LOOP, "parameter 'y' needs a type"),
        (HEAD.replace("))):", ")), *, a):") + LOOP, "attribute 'a' needs a kind"),
        (HEAD.replace("))):", ")), *, a: complex):") + LOOP, "attribute 'a' needs a kind"),
        (HEAD.replace("))):", ")), *, a: int = 0.5):") + LOOP, "the default of 'a' is not int"),
        (HEAD.replace("))):", ")), a=1):") + LOOP, "attributes stand after"),
        (HEAD.replace("))):", ")), *args):") + LOOP, "attributes stand after"),
        (HEAD.replace("))):", ")), *, i: int = 1):") + LOOP, "'i' is an attribute"),
        (HEAD + LOOP.replace("for i", "for n").replace("[i]", "[n]"), "'n' is a size and the name of something else"),
        (HEAD + "    y[0] = x[0, 0]\n", "'x' has 1 dimensions, not 2"),
        (HEAD.replace("))):", ")), *, a: int = 0):") + "    y[0] = x[1 // a]\n", "division|modulo"),
        (HEAD.replace("))):", ")), *, a: tuple[int, ...] = (0,)):") + "    y[0] = x[a[2]]\n", "there is no element 2"),
        ("wrong = lambda x: x\n", "only a function"),
    ],
)
def test_mistakes_are_told_where_they_stand(tmp_path, text, message):
    head = "from __future__ import annotations\nimport tondo\n\n\n"
    body = (
        f"tondo.operator({text.split('=', 1)[1].strip()})\n" if text.startswith("wrong") else f"@tondo.operator\n{text}"
    )
    path = tmp_path / "mine.py"
    path.write_text(head + body)
    code = compile(path.read_text(), str(path), "exec")
    with pytest.raises(TondoError, match=message) as caught:
        exec(code, {"__name__": "mine"})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.startswith("TND-S")
    assert Path(diagnostic.span.file) == path
    assert diagnostic.source == path.read_text().splitlines()[diagnostic.span.line - 1]


@pytest.mark.parametrize("options", [{"name": "a b"}, {"name": "1a"}, {"onnx": "Gate"}, {"onnx": "a::b c"}])
def test_names_are_checked(options):
    def copy(x: Buffer((n,)), y: Buffer((n,))):
        for i in range(n):
            y[i] = x[i]

    with pytest.raises(TondoError) as caught:
        tondo.operator(**options)(copy)
    assert caught.value.code == "TND-U005"


# ------------------------------------------------------------------------------------------ plain loops to blocks


def function(text):
    return parse(f"@tensor_function(outputs=1)\ndef f(x: Buffer((6, 5)), y: Buffer((6, 5))):\n{text}").tensor("f")


STATEMENTS = [
    "y[i, j] = x[i, j] * 2.0",
    "y[i, j] = x[5 - i, j] + y[i, j]",
    "t[i, j] = x[i, j] + 1.0",
    "y[i, j] = t[i, j] * x[i, 0]",
    "y[i, j] = t[5 - i, j]",
    "t[j, i] = x[i, j]",
    "for k in range(5):\n                y[i, j] += x[i, k] * 0.5",
    "t[i, j] = 0.0\n            for k in range(5):\n                t[i, j] = t[i, j] + x[i, k] * x[k, j]",
    "y[i, j] = -1.0\n            for k in range(5):\n                y[i, j] = max(y[i, j], x[i, k])",
    "if x[i, j] > 0.0:\n                y[i, j] = 1.0",
]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=3), min_size=1, max_size=2))
def test_blocks_do_not_change_what_is_computed(suites):
    lines = ['    t = allocate((6, 6), "float32")']
    lines += ["    for i in range(6):", "        for j in range(6):", "            t[i, j] = 0.25"]
    lines += ["    for i in range(6):", "        for j in range(5):", "            y[i, j] = 0.5"]
    for suite in suites:
        lines += ["    for i in range(5):", "        for j in range(5):", *[f"            {stmt}" for stmt in suite]]
    plain = function("\n".join(lines) + "\n")
    made = with_blocks(plain)
    assert verify(IRModule.of(made)) == []
    x = np.random.default_rng(0).integers(-3, 4, (6, 5)).astype(np.float32)
    np.testing.assert_array_equal(run_tensor_function(made, [x])[0], run_tensor_function(plain, [x])[0])


def blocks(made):
    return [item.name for item in walk(made.body) if isinstance(item, Block)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("    for i in range(6):\n        for j in range(5):\n            y[i, j] = x[i, j]\n", ["y"]),
        ("    for i in parallel(6):\n        for j in range(5):\n            y[i, j] = x[i, j]\n", []),
        ("    for i in range(6):\n        for j in range(5):\n            y[i, j] = x[i, j] + y[i, 0]\n", []),
        ("    for i in range(6):\n        for j in range(i):\n            y[i, j] = x[i, j]\n", []),
        ("    for i in range(6):\n        for j in range(5):\n            y[i, 0] = x[i, j]\n", []),
        ("    for i in range(6):\n        for j in range(5):\n            y[i, j] += x[i, j]\n", []),
        ("    for i in range(5):\n        y[i + 1, 0] = x[i, 0]\n", []),
        ("    for i in range(1, 5):\n        y[i, 0] = x[i, 0]\n", []),
    ],
)
def test_which_nests_become_blocks(text, names):
    plain = function(text)
    made = with_blocks(plain)
    assert blocks(made) == names
    assert (made is plain) == (not names) or made == plain


def test_a_reduction_begins_with_its_start():
    call = use(product, (3, 4), (4, 5))
    first, second = [item for item in walk(product.definition(call).body) if isinstance(item, Block)]
    assert [it.kind for it in first.iters] == ["spatial", "spatial", "reduction"]
    assert first.init is not None
    assert [it.extent for it in second.iters] == [Const(3), Const(5)]
