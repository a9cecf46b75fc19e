"""``graph.replace``: chosen calls are replaced; every module on the way prints, parses, runs and keeps its meaning."""

from __future__ import annotations

import numpy as np
import pytest

import tondo
import tondo.ffi
from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import Call, CallDps, CallGraph, CallPacked, IRModule, Operator, walk
from tondo.passes import Miss, Offer, PassContext
from tondo.passes.library import placed
from tondo.passes.verify import verify
from tondo.script import parse, script
from tondo_ops import OPERATORS
from tondo_passes.graph.define import Define
from tondo_passes.graph.expand import Expand
from tondo_passes.graph.inline_calls import InlineCalls
from tondo_passes.graph.replace import Replace

# The bodies of operators are script: names such as Buffer and exp have no meaning to Python.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false

TEXT = """
@graph_function
def main(x: Tensor((n, 8), "float32"), w: Tensor((8, 4), "float32"), b: Tensor((4,), "float32")):
    p: Tensor((n, 4), "float32") = call("matmul", x, w)  # dense
    s: Tensor((n, 4), "float32") = call("add", p, b)  # bias
    r: Tensor((n, 4), "float32") = call("relu", s)  # act
    y: Tensor((n, 4), "float32") = call("softmax", r, attrs={"axis": 1})  # out
    return (y,)
"""

DENSE = """
@graph_function
def dense(x: Tensor((m, k), "float32"), w: Tensor((k, c), "float32"), b: Tensor((c,), "float32")):
    p: Tensor((m, c), "float32") = call("matmul", x, w)
    s: Tensor((m, c), "float32") = call("add", p, b)
    r: Tensor((m, c), "float32") = call("relu", s)
    return (r,)
"""


LAYER = """
@tensor_function
def layer(m: int64, x: Buffer((m, 8)), w: Buffer((8, 4)), b: Buffer((4,)), y: Buffer((m, 4))):
    for i in range(m):
        for j in range(4):
            y[i, j] = 0.0
            for l in range(8):
                y[i, j] += x[i, l] * w[l, j]
    for i in range(m):
        for j in range(4):
            y[i, j] = max(y[i, j] + b[j], 0.0)
"""


TURNED = LAYER.replace("y[i, j]", "y[j, i]").replace("y: Buffer((m, 4))", "y: Buffer((4, m))")


@tondo.operator(name="test.dense")
def dense(x: Buffer((m, k)), w: Buffer((k, c)), b: Buffer((c,)), y: Buffer((m, c))):
    acc = allocate((m, c), "float32")
    for i in range(m):
        for j in range(c):
            acc[i, j] = 0.0
            for l in range(k):
                acc[i, j] += x[i, l] * w[l, j]
            y[i, j] = max(acc[i, j] + b[j], 0.0)


@tondo.operator(name="test.scaled")
def scaled(x: Tensor((n, m), "float32"), *, by: float = 2.0) -> Tensor((n, m), "float32"):
    return relu(x * by)


LIBRARY = {**OPERATORS, dense.name: dense, scaled.name: scaled}


@pytest.fixture
def known(context: PassContext) -> PassContext:
    """A context with operators of our own."""
    return PassContext(context.target, LIBRARY)


@pytest.fixture
def numpy_dense():
    """A foreign function that computes the whole layer."""

    def layer(x, w, b, y):
        np.maximum(x @ w + b, 0, out=y)

    tondo.ffi.register("test.layer", layer)
    yield "test.layer"
    tondo.ffi.remove("test.layer")


def inputs(n: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(n)
    return [generator.standard_normal(shape).astype(np.float32) for shape in ((n, 8), (8, 4), (4,))]


def check(module: IRModule) -> IRModule:
    """Assert that ``module`` is valid, prints, parses back, and computes what ``TEXT`` says, for two sizes."""
    assert verify(module) == []
    assert parse(script(module), constants=module.constants) == module
    for n in (3, 5):
        (expected,) = run_graph(parse(TEXT), inputs(n), OPERATORS)
        (found,) = run_graph(module, inputs(n), LIBRARY)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    return module


def operations(module: IRModule, kind: type) -> list[str]:
    """Return what the operations of ``kind`` in ``main`` call."""
    found = [item for item in walk(module.graph()) if isinstance(item, kind)]
    return [getattr(item, "op", None) or getattr(item, "function", None) or item.name for item in found]


def test_by_operator_with_a_foreign_function(known):
    def soft(x, y, *, axis):
        e = np.exp(x - x.max(axis, keepdims=True))
        np.divide(e, e.sum(axis, keepdims=True), out=y)

    tondo.ffi.register("test.soft", soft)
    try:
        made = check(Replace(operator="soft*", with_packed="test.soft", keep=("axis",)).run(parse(TEXT), known))
        assert operations(made, CallPacked) == ["test.soft"]
        defined = check(Define().run(made, known))
        assert operations(defined, CallPacked) == ["test.soft"]
    finally:
        tondo.ffi.remove("test.soft")


def test_by_structure_with_a_foreign_function(known, numpy_dense):
    made = check(Replace(pattern=DENSE, with_packed=numpy_dense).run(parse(TEXT), known))
    assert (operations(made, CallPacked), operations(made, Call)) == ([numpy_dense], ["softmax"])


def test_by_structure_with_an_operator_and_back_to_functions(known):
    made = check(Replace(pattern=DENSE, with_operator="test.dense").run(parse(TEXT), known))
    assert operations(made, Call) == ["test.dense", "softmax"]
    check(Define().run(made, known))


def test_step_by_step_one_operator_at_a_time(known, numpy_dense):
    """What is a foreign call today is an operator tomorrow, and a function after that."""
    steps = [
        Replace(pattern=DENSE, with_packed=numpy_dense),
        Replace(packed=numpy_dense, with_operator="test.dense"),
        Define(),
        Replace(function="test_dense*", with_packed=numpy_dense),
        Replace(packed="test.*", with_function=LAYER),
    ]
    module = parse(TEXT)
    for step in steps:
        module = check(step.run(module, known))
    assert operations(module, CallDps) == ["layer", "softmax"]


def test_by_source_in_a_module_of_functions(known):
    defined = Define().run(parse(TEXT), known)
    made = check(Replace(source="act", with_operator="relu").run(defined, known))
    assert operations(made, CallDps) == ["matmul", "add", "relu_1", "softmax"]


@pytest.mark.parametrize("defined", [False, True])
@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({"kind": "contraction"}, ["matmul"]),
        ({"min_flops": 1000, "source": "*"}, []),
        ({"kind": "elementwise", "max_flops": 10}, []),
        ({"kind": "elementwise", "source": "b*"}, ["add"]),
    ],
)
def test_by_facts(known, defined, facts, wanted):
    module = Define().run(parse(TEXT), known) if defined else parse(TEXT)
    made = Replace(**facts, with_packed="test.any", optional=True).run(module, known)
    kept = operations(made, CallDps if defined else Call)
    assert kept == [name for name in ("matmul", "add", "relu", "softmax") if name not in wanted]
    assert len(operations(made, CallPacked)) == len(wanted)


def test_flops_are_counted_where_sizes_are_known(known):
    fixed = parse(TEXT.replace("(n, ", "(16, "))
    made = Replace(min_flops=2 * 16 * 8 * 4, with_packed="test.any").run(fixed, known)
    assert operations(made, Call) == ["add", "relu", "softmax"]
    made = Replace(min_flops=65, max_flops=2 * 16 * 8 * 4 - 1, optional=True, with_packed="test.any").run(fixed, known)
    assert operations(made, Call)[0] == "matmul"


@pytest.mark.parametrize("defined", [False, True])
def test_by_what_a_tensor_function_computes(known, defined):
    """The pattern is written as plain loops with other names and sizes."""
    text = """
@tensor_function
def rectifier(a: Buffer((rows, columns)), b: Buffer((rows, columns))):
    for p in range(rows):
        for q in range(columns):
            b[p, q] = max(0.0, a[p, q])
"""
    module = Define().run(parse(TEXT), known) if defined else parse(TEXT)
    made = Replace(pattern=text, with_packed="test.any").run(module, known)
    assert operations(made, CallDps if defined else Call) == ["matmul", "add", "softmax"]


def test_a_pattern_stops_where_an_inner_value_is_used_elsewhere(known):
    shared = TEXT.replace("return (y,)", "return (y, s)")
    assert Replace(pattern=DENSE, with_packed="test.any", optional=True).run(parse(shared), known) == parse(shared)
    both = DENSE.replace("return (r,)", "return (r, s)")
    made = Replace(pattern=both, with_packed="test.any").run(parse(shared), known)
    (packed,) = [item for item in made.graph().bindings if isinstance(item.operation, CallPacked)]
    assert [var.name for var in packed.vars] == ["r", "s"]
    assert verify(made) == []


def test_patterns_compare_sizes_attributes_and_positions(known):
    square = DENSE.replace("(k, c)", "(k, k)").replace("(m, c)", "(m, k)").replace("(c,)", "(k,)")
    assert not operations(Replace(pattern=square, with_packed="a.b", optional=True).run(parse(TEXT), known), CallPacked)
    for axis, found in ((1, 1), (0, 0)):
        text = f"""
@graph_function
def soft(x: Tensor(None, "float32")):
    y: Tensor(None, "float32") = call("softmax", x, attrs={{"axis": {axis}}})
    return (y,)
"""
        made = Replace(pattern=text, with_packed="a.b", optional=True).run(parse(TEXT), known)
        assert len(operations(made, CallPacked)) == found


def test_occurrences_do_not_overlap(known):
    text = """
@graph_function
def main(x: Tensor((n,), "float32")):
    a: Tensor((n,), "float32") = call("relu", x)
    b: Tensor((n,), "float32") = call("relu", a)
    c: Tensor((n,), "float32") = call("relu", b)
    return (c,)
"""
    twice = text.replace("main", "twice").replace("return (c,)", "return (b,)")
    twice = "\n".join(line for line in twice.split("\n") if "c:" not in line)
    made = Replace(pattern=twice, with_operator="relu").run(parse(text), known)
    assert operations(made, Call) == ["relu", "relu"]
    once = Replace(operator="relu", with_packed="a.b", at_most=2).run(parse(text), known)
    assert (operations(once, CallPacked), operations(once, Call)) == (["a.b", "a.b"], ["relu"])


def test_calls_inside_of_regions_are_replaced(known):
    text = """
@graph_function
def main(x: Tensor((n,), "float32"), flag: Tensor((), "bool")):
    def then():
        a: Tensor((n,), "float32") = call("relu", x)
        return (a,)
    def orelse():
        return (x,)
    z: Tensor((n,), "float32") = if_region(flag, then, orelse)
    return (z,)
"""
    made = Replace(operator="relu", with_operator="abs").run(parse(text), known)
    x = np.array([-1.0, 2.0], np.float32)
    np.testing.assert_array_equal(run_graph(made, [x, np.array(True)], LIBRARY)[0], [1, 2])


def test_with_a_graph_function_and_with_a_composed_operator(known):
    text = """
@graph_function
def rectified(x: Tensor((a, b), "float32")):
    z: Tensor((a, b), "float32") = call("test.scaled", x, attrs={"by": 1.0})
    return (z,)
"""
    made = check(Replace(operator="relu", with_function=text).run(parse(TEXT), known))
    assert operations(made, CallGraph) == ["rectified"]
    expanded = check(Expand().run(made, known))
    inlined = check(InlineCalls().run(expanded, known))
    assert operations(inlined, Call) == ["matmul", "add", "fill", "mul", "relu", "softmax"]


class Kernels:
    """A library that takes sums only."""

    name = "kernels"

    def supports(self, target):
        return True

    def match(self, function, target):
        return Offer("kernels.add") if "add" in function.name else Miss("only sums are taken")


def test_with_a_library(known):
    context = PassContext(known.target, LIBRARY, libraries={"kernels": Kernels()})
    defined = Define().run(parse(TEXT), known)
    made = check(Replace(source="bias", with_library="kernels").run(defined, context))
    assert operations(made, CallDps) == ["matmul", "add_kernels", "relu", "softmax"]
    assert placed(made.tensor("add_kernels"))
    with pytest.raises(TondoError, match="only sums are taken") as caught:
        Replace(source="act", with_library="kernels").run(defined, context)
    assert caught.value.code == "TND-B006"
    with pytest.raises(TondoError, match=r"put graph\.define before"):
        Replace(source="bias", with_library="kernels").run(parse(TEXT), context)
    with pytest.raises(TondoError, match="no library 'other'"):
        Replace(source="bias", with_library="other").run(defined, context)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operator": "conv", "with_packed": "a.b"}, "no call fits: operator 'conv'"),
        ({"pattern": DENSE.replace("relu", "abs"), "with_packed": "a.b"}, "no call fits: what the pattern"),
        ({"operator": "relu", "with_operator": "matmul"}, "the operator 'matmul' cannot stand in for 'act'"),
        ({"operator": "relu", "with_operator": "isnan"}, "it makes"),
        ({"operator": "relu", "with_operator": "test.dense"}, "takes 3 inputs, 1 are given"),
        ({"operator": "relu", "with_function": LAYER}, "takes 3 inputs, 1 are given"),
        (
            {"pattern": DENSE, "with_function": TURNED},
            "it makes",
        ),
        ({"operator": "matmul", "with_packed": "a.b", "effect": "inplace"}, "it writes its first argument"),
        ({"operator": "relu", "with_packed": "a.b", "pattern": LAYER + DENSE}, "holds 2 functions"),
        ({"pattern": DENSE.replace("return (r,)", "return (p,)"), "with_packed": "a.b"}, "does not lead to"),
        ({"pattern": DENSE.replace("return (r,)", "return (x,)"), "with_packed": "a.b"}, "does not compute"),
    ],
)
def test_refusals(known, options, message):
    with pytest.raises(TondoError, match=message) as caught:
        Replace(**options).run(parse(TEXT), known)
    assert caught.value.code == "TND-C007"


@pytest.mark.parametrize(
    "options",
    [{"operator": "relu"}, {"with_packed": "a"}, {"operator": "r", "with_packed": "a", "with_operator": "b"}],
)
def test_options_that_say_too_little_or_too_much(options):
    with pytest.raises(ValueError, match="expected"):
        Replace(**options)


def test_unknown_names(known):
    for options in ({"with_operator": "test.dens"}, {"with_function": "mainn"}):
        with pytest.raises(TondoError) as caught:
            Replace(operator="relu", **options).run(parse(TEXT), known)
        assert caught.value.code == "TND-C004"


def test_a_pipeline_file_holds_the_options(tmp_path, known, numpy_dense):
    from tondo.driver import Tools, lower, make_plan
    from tondo.plugin import collect

    pattern = DENSE.replace("\n", "\n        ")
    head = "tondo: 1\ncache: false\npasses:\n  - use: graph.replace\n"
    (tmp_path / "replace.yaml").write_text(f"{head}    pattern: |{pattern}\n    with_packed: {numpy_dense}\n")
    plan = make_plan(parse(TEXT), "interp", None, None, tmp_path / "replace.yaml", collect())
    assert operations(check(lower(plan, Tools())), CallPacked) == [numpy_dense]


def test_operators_are_values() -> None:
    assert isinstance(dense, Operator)
