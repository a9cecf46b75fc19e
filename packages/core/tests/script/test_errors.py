"""Messages of the parser: code, place, cause, help."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from tondo.diagnostics import Diagnostic, TondoError
from tondo.ir import ConstantData
from tondo.script import parse


def refused(text: str, **constants: np.ndarray) -> Diagnostic:
    with pytest.raises(TondoError) as caught:
        parse(
            textwrap.dedent(text).lstrip("\n"),
            constants={name: ConstantData(array) for name, array in constants.items()},
        )
    return caught.value.diagnostics[0]


def place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    assert diagnostic.span is not None
    return diagnostic.code, diagnostic.span.line, diagnostic.span.column


def tensor(*lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    params = 'n: "int64", A: Buffer((n, 4), "float32"), B: Buffer((n,), "int32"), y: Buffer((n,), "float32")'
    return f"@tensor_function\ndef f({params}):\n{body}\n"


@pytest.mark.parametrize(
    ("line", "code", "column", "message"),
    [
        ("y[0] = A[0, nn]", "TND-S002", 17, "unknown name 'nn'"),
        ("y[0] = A[0]", "TND-S003", 12, "'A' has 2 dimensions, not 1"),
        ("y[0, 1] = 1.0", "TND-S003", 5, "'y' has 1 dimensions, not 2"),
        ("y[0] = A[0, 0] + B[0]", "TND-S003", 12, "add: operands have dtypes float32 and int32"),
        ("y[0] = A[0, 0] + (B[0] < A[0, 1])", "TND-S003", 23, "lt: operands have dtypes int32 and float32"),
        ("y[0] = B[0]", "TND-S003", 5, "'y' holds float32, the value is int32"),
        ("y[0] = exq(A[0, 0])", "TND-S002", 12, "unknown function 'exq'"),
        ("y[0] = exp(A[0, 0], 1.0)", "TND-S001", 12, "'exp' takes 1 arguments, not 2"),
        ("y[0] = A", "TND-S003", 12, "'A' is not a scalar"),
        ("n[0] = 1.0", "TND-S003", 5, "'n' is not a buffer"),
        ("y[0] = 'text'", "TND-S001", 12, "expected a number"),
        ("y[0] = [1.0]", "TND-S001", 12, "this is not an expression of the language"),
        ("y[0] = A[0, 0] @ A[0, 1]", "TND-S001", 12, "this operator is not part of the language"),
        ("y[0] = select(n, 1.0, 2.0)", "TND-S003", 12, "select: condition has dtype int64"),
        ("y[0] = select(0 < n < 3, 1.0, 2.0)", "TND-S001", 19, "expected one comparison of two values"),
        ('y[0] = cast("flot32", n)', "TND-S003", 17, "unknown dtype 'flot32'"),
        ('y[0] = float32("one")', "TND-S003", 20, "expected 'nan', 'inf' or '-inf' of a floating-point type"),
        ("B[0] = int32(1.5)", "TND-S003", 18, "1.5 is not a value of int32"),
        ("while n: pass", "TND-S003", 11, "a condition is a bool, not int64"),
        ("x = 3", "TND-S001", 5, "expected 'let', 'allocate', 'reserve' or 'view'"),
        ("exp(A[0, 0])", "TND-S001", 5, "this statement has no effect"),
        ("return", "TND-S001", 5, "this statement is not part of the language"),
        ("for i in every(n): pass", "TND-S001", 5, "expected 'for i in serial(begin, extent)'"),
        ("for i in serial(1, 2, 3): pass", "TND-S001", 14, "expected the extent, or begin and extent"),
        ("for i in serial(n, step=2): pass", "TND-S001", 29, "unknown argument 'step'"),
        ("t = allocate((m,))", "TND-S002", 19, "unknown name 'm'"),
        ("t = allocate((n,), strides=(1, 1))", "TND-S003", 32, "expected 1 strides, not 2"),
        ("t = view(y, 0)", "TND-S001", 9, "expected a base buffer, an offset in bytes and a shape"),
        ("with blok('x'): pass", "TND-S001", 10, "expected 'block(name)', 'seq()' or 'allocate(...) as name'"),
        ("evaluate(1, 2)", "TND-S001", 5, "takes 1 arguments, not 2"),
    ],
)
def test_tensor_functions(line: str, code: str, column: int, message: str) -> None:
    diagnostic = refused(tensor("pass", line))
    assert place(diagnostic) == (code, 4, column), diagnostic
    assert diagnostic.message == message
    assert diagnostic.source is not None
    assert diagnostic.source.strip() == line


def test_unknown_names_come_with_a_suggestion() -> None:
    assert refused(tensor("total = let(1)", "y[totel] = 1.0")).help == "did you mean 'total'?"
    assert refused(tensor("y[0] = signoid(A[0, 0])")).help == "did you mean 'sigmoid'?"
    assert refused(tensor("y[zzz] = 1.0")).help is None


def test_names_end_with_their_scope() -> None:
    text = tensor("for i in serial(n):", "    y[i] = 1.0", "y[i] = 2.0")
    assert place(refused(text)) == ("TND-S002", 5, 7)
    text = tensor("with allocate((n,)) as t:", "    t[0] = 1.0", "y[0] = t[0]")
    assert place(refused(text)) == ("TND-S002", 5, 12)
    text = tensor("with block('b'):", "    i = spatial(n, i)", "    y[i] = 1.0")
    assert place(refused(text)) == ("TND-S002", 4, 24)


def test_columns_count_characters() -> None:
    diagnostic = refused(tensor('assert n > 0, "größer, bitte"; y[nn] = 0.0'))
    assert place(diagnostic) == ("TND-S002", 3, 38)
    assert "^" in str(diagnostic) or diagnostic.source is not None


GRAPH = """
    @graph_function
    def main(x: Tensor((n, 4), "float32")):
        y: Tensor((n, 4), "float32") = call("relu", x)
        {line}
        return (y,)
"""


@pytest.mark.parametrize(
    ("line", "code", "column", "message"),
    [
        ('z: Tensor((n,), "float32") = call("relu", xx)', "TND-S002", 47, "unknown value 'xx'"),
        ('z: Tensor((n,), "float32") = cal("relu", x)', "TND-S001", 34, "expected an operation"),
        ('z: Tensor((n,), "float32") = call("relu", constant("w"))', "TND-S002", 47, "unknown constant 'w'"),
        ('z: Tensor((n,), "float32") = call("relu", call("exp", x))', "TND-S001", 47, "expected a value"),
        ('z: Tensor((n,), "float33") = call("relu", x)', "TND-S003", 21, "unknown dtype 'float33'"),
        ('z: Tensr((n,), "float32") = call("relu", x)', "TND-S001", 8, "expected a type"),
        ('y: Tensor((n,), "float32") = call("relu", x)', "TND-S001", 5, "value 'y' is defined twice"),
        ('a, b = call("split", x)', "TND-S001", 5, "expected the types of 2 results"),
        (
            'a = call("relu", x)',
            "TND-S001",
            5,
            "expected 'name: type = call(...)' or 'a, b = call(..., results=(type, type))'",
        ),
        ('z: Tensor((n,), "float32") = call_dps("f", x, scalars=(k,))', "TND-S002", 60, "unknown name 'k'"),
        ('z: Tensor((2,), "int64") = shape_value((n, k))', "TND-S002", 48, "unknown name 'k'"),
        ('z: Tensor((n,), "float32") = call("relu", x, scalars=(n,))', "TND-S001", 58, "unknown argument 'scalars'"),
        ('z: Tensor((n,), "float32") = call_packed("f", x, effect="maybe")', "TND-S001", 61, "unknown effect 'maybe'"),
        (
            'z: Tensor((n,), "float32") = call("relu", x, attrs={"a": x})',
            "TND-S001",
            62,
            "this is not an attribute value",
        ),
        (
            'z: Tensor((n,), "float32") = if_region(x, then, orelse)',
            "TND-S002",
            47,
            "expected the name of a function defined above",
        ),
        ("z = 3", "TND-S001", 5, "expected 'name: type = call(...)' or 'a, b = call(..., results=(type, type))'"),
    ],
)
def test_graph_functions(line: str, code: str, column: int, message: str) -> None:
    diagnostic = refused(GRAPH.replace("{line}", line))
    assert place(diagnostic) == (code, 4, column), diagnostic
    assert diagnostic.message == message


def test_functions() -> None:
    twice = GRAPH.replace("{line}", "") + GRAPH.replace("{line}", "")
    found = refused(twice)
    assert (found.code, found.message) == ("TND-S001", "function 'main' is defined twice")
    assert found.span is not None
    assert found.span.line == 8
    assert refused("def f():\n    pass\n").message == "'f' is neither a @tensor_function nor a @graph_function"
    assert (
        refused("@graph_function\ndef f():\n    pass\n").message
        == "expected 'name: type = call(...)' or 'a, b = call(..., results=(type, type))'"
    )
    assert refused('@graph_function\ndef f(x: Shape(1)):\n    """Text."""\n').message == "'f' returns nothing"
    assert refused("@graph_function\ndef f(x):\n    return x\n").message == "parameter 'x' needs a type"
    assert (
        refused("@graph_function\ndef f(x: Shape(1), x: Shape(1)):\n    return x\n").message
        == "parameter 'x' is given twice"
    )
    assert refused("@graph_function\ndef f(*x: Shape(1)):\n    return x\n").message.startswith("only plain parameters")
    assert (
        refused("@tensor_function(outputs=2)\ndef f(x: Buffer((1,))):\n    pass\n").message
        == "2 outputs are announced, the function has 1 buffers"
    )
    assert refused("x = 1\n").message == "expected a function, MODULE or CONSTANTS"


def test_syntax_errors() -> None:
    found = refused("@tensor_function\ndef f(:\n    pass\n")
    assert place(found) == ("TND-S001", 2, 7)
    assert found.source == "def f(:"
    assert refused("\0").code == "TND-S001"
    assert refused("x = " + "(" * 5000 + ")" * 5000).code == "TND-S001"
    assert refused("CONSTANTS = {'a': data('int8', (1,), (" + "-" * 3000 + "1,))}").code == "TND-S001"


def constant(text: str, **constants: np.ndarray) -> tuple[str, int, int, str]:
    found = refused(f"CONSTANTS = {{\n    'w': {text},\n}}\n", **constants)
    return (*place(found), found.message)


def test_constants() -> None:
    w = np.zeros((2, 8), np.float32)
    digest = ConstantData(w).digest
    missing = "the contents of constant 'w' are missing"
    assert constant(f"data('float32', (2, 8), sha256='{digest}')") == ("TND-S002", 2, 10, missing)
    other = "constant 'w' has other contents than the script says"
    assert constant(f"data('float32', (2, 8), sha256='{digest}')", w=w + 1) == ("TND-S003", 2, 10, other)
    kind = "constant 'w' has another type than the script says"
    assert constant(f"data('float64', (2, 8), sha256='{digest}')", w=w) == ("TND-S003", 2, 10, kind)
    assert constant("data('int8', (2,), (1, 2, 3))") == ("TND-S003", 2, 29, "expected 2 values, not 3")
    assert constant("data('int8', (-2,), ())") == ("TND-S003", 2, 23, "a dimension is negative")
    assert constant("data('int8', (1,), (300,))")[3].startswith("these are not values of int8")
    assert constant("data('int8', (1,), ('x',))")[3].startswith("these are not values of int8")
    assert constant("data('int8', (1,), (1,)), 'w': data('int8', (1,), (1,))")[3] == "constant 'w' is defined twice"
    assert constant("3")[3].startswith("expected data(")
