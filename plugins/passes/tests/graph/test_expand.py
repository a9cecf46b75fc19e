"""``graph.expand``: operators that are composed of others, from their text to what they compute."""

from __future__ import annotations

import numpy as np
import pytest

import tondo
import tondo.ffi
from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import (
    Attrs,
    Call,
    CallGraph,
    CallPacked,
    IRModule,
    MatchShape,
    OpCall,
    TensorType,
    Var,
    dims,
    dtype,
    walk,
)
from tondo.passes import PassContext
from tondo.passes.verify import verify
from tondo.script import parse, script
from tondo_ops import OPERATORS
from tondo_passes.graph.define import Define
from tondo_passes.graph.expand import Expand
from tondo_passes.graph.inline_calls import InlineCalls

# The bodies of operators are script: names such as Tensor, range(n) and relu have no meaning to Python.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false


@tondo.operator(name="test.silu")
def silu(x: Tensor((n, m), T), *, T: DType, scale: float = 1.0) -> Tensor((n, m), T):
    """Multiply by a sigmoid."""
    return x * sigmoid(x * scale)


@tondo.operator(name="test.halves", outputs=2)
def halves(x: Buffer((n, 2 * k)), low: Buffer((n, k)), high: Buffer((n, k))):
    for i in range(n):
        for j in range(k):
            low[i, j] = x[i, j]
            high[i, j] = x[i, k + j]


@tondo.operator(name="test.block")
def block(
    x: Tensor((n, 2 * k), "float32"), w: Tensor((k, m), "float32"), *, deep: bool = True, axes: tuple[int, ...] = (1,)
) -> (Tensor((n, m), "float32"), Tensor((n,), "float32")):
    """Everything that can be written."""
    low, high = halves(x)
    gated = silu(low, scale=0.5) * high
    if deep:
        gated = call("test.silu", gated, attrs={"scale": 2.0})
    y = gated @ w - 1
    flat: Tensor((n * m,), "float32") = reshape(y, shape=(n * m,))
    total = reduce_sum(reshape(flat, shape=(n, m)), axes=axes, keepdims=False)
    return -(1 - y), total / 2


@tondo.operator(name="test.itself")
def itself(x: Tensor((n,), "float32")) -> Tensor((n,), "float32"):
    return itself(x)


@tondo.operator(name="test.foreign")
def foreign(x: Tensor((n,), "float32")) -> Tensor((n,), "float32"):
    y: Tensor((n,), "float32") = call_packed("test.twice", x)
    return relu(y)


LIBRARY = {**OPERATORS, **{item.name: item for item in (silu, halves, block, itself, foreign)}}
TEXT = """
@graph_function
def main(x: Tensor((b, 8), "float32"), w: Tensor((4, 3), "float32")):
    y, t = call("test.block", x, w, results=(Tensor((b, 3), "float32"), Tensor((b,), "float32")))
    z: Tensor((b, 3), "float32") = call("test.silu", y, attrs={"scale": 0.5})
    return (z, t)
"""


@pytest.fixture
def known(context: PassContext) -> PassContext:
    """A context with operators of our own."""
    return PassContext(context.target, LIBRARY)


def reference(x, w, deep=True):
    def gate(value, scale):
        return value / (1 + np.exp(-value * scale))

    gated = gate(x[:, :4], 0.5) * x[:, 4:]
    y = (gate(gated, 2) if deep else gated) @ w - 1
    return gate(-(1 - y), 0.5), y.sum(1) / 2


def arrays(n):
    generator = np.random.default_rng(n)
    return [generator.standard_normal(shape).astype(np.float32) for shape in ((n, 8), (4, 3))]


def check(module: IRModule, *, deep: bool = True) -> IRModule:
    assert verify(module) == []
    assert parse(script(module)) == module
    for n in (1, 5):
        found = run_graph(module, arrays(n), LIBRARY)
        for mine, theirs in zip(found, reference(*arrays(n), deep), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    return module


def test_every_stage_runs(known):
    module = check(parse(TEXT))
    expanded = check(Expand().run(module, known))
    names = {item.op for graph in expanded.graph_functions() for item in walk(graph) if isinstance(item, Call)}
    assert {name for name in names if name.startswith("test.")} == {"test.halves"}
    assert {item.function for item in walk(expanded.graph()) if isinstance(item, CallGraph)} == {
        "test_block",
        "test_silu_2",
    }
    inlined = check(InlineCalls().run(expanded, known))
    assert not any(isinstance(item, CallGraph) for item in walk(inlined.graph()))
    check(Define().run(inlined, known))


def test_attributes_decide_about_the_structure(known):
    shallow = TEXT.replace("x, w, results", 'x, w, attrs={"deep": False}, results')
    check(Expand().run(parse(shallow), known), deep=False)


def test_equal_uses_share_a_function(known):
    again = 'v: Tensor((b, 3), "float32") = call("test.silu", z, attrs={"scale": 0.5})'
    made = Expand().run(parse(TEXT.replace("return (z, t)", f"{again}\n    return (v, t)")), known)
    assert len([name for name in made.functions if name.startswith("test_silu")]) == 3


def test_nothing_to_expand(known):
    module = parse(TEXT.replace("test.silu", "relu").replace(', attrs={"scale": 0.5}', ""))
    plain = parse('@graph_function\ndef main(x: Tensor((n,), "float32")):\n    return (x,)\n')
    assert Expand().run(plain, known) is plain
    assert Expand().run(module, PassContext(known.target, OPERATORS)) is module


def test_an_operator_that_is_composed_of_itself(known):
    text = TEXT.replace("y, t =", 'q: Tensor((b,), "float32") = call("test.itself", p)\n    y, t =').replace(
        "def main(", 'def main(p: Tensor((b,), "float32"), '
    )
    with pytest.raises(TondoError, match=r"composed of itself: test\.itself -> test\.itself") as caught:
        Expand().run(parse(text), known)
    assert caught.value.code == "TND-B004"


def test_without_the_pass_there_is_no_definition(known):
    with pytest.raises(TondoError, match="composed of other operators") as caught:
        Define().run(parse(TEXT), known)
    assert caught.value.code == "TND-M003"


def test_a_foreign_function_inside():
    tondo.ffi.register("test.twice", lambda x, y: np.multiply(x, 2, out=y))
    try:
        use = OpCall("test.foreign", (TensorType(dims((3,)), dtype("float32")),))
        made = foreign.expand(use, LIBRARY)
        assert [type(binding.operation) for binding in made.bindings] == [CallPacked, Call]
        module = IRModule.of(made)
        np.testing.assert_array_equal(
            run_graph(module, [np.array([-1, 1, 2], np.float32)], LIBRARY, "foreign")[0], [0, 2, 4]
        )
    finally:
        tondo.ffi.remove("test.twice")


def test_declared_sizes_that_may_differ_are_compared_in_the_call():
    @tondo.operator
    def kept(x: Tensor((n, m), "float32"), k: Tensor((m, 2), "float32")) -> Tensor((n, 2), "float32"):
        y: Tensor((n, m), "float32") = concat(x, k @ transpose(k, perm=(1, 0)), axis=0)
        return y @ k

    n, m = Var("n"), Var("m")
    kinds = (TensorType(dims((n, m)), dtype("float32")), TensorType(dims((m, 2)), dtype("float32")))
    made = kept.expand(OpCall("kept", kinds), LIBRARY)
    assert any(isinstance(binding.operation, MatchShape) for binding in made.bindings)


HEAD = 'def wrong(x: Tensor((n, m), "float32"), w: Tensor((m, k), "float32")) -> Tensor((n, m), "float32"):\n'
PLAIN = HEAD.replace(' -> Tensor((n, m), "float32")', "")
WIDER = HEAD.replace("-> Tensor((n, m)", "-> Tensor((n, p)")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (HEAD + "    return relo(x)\n", "TND-S002", "unknown operator 'relo'"),
        (HEAD + "    return relu(z)\n", "TND-S002", "unknown value 'z'"),
        (HEAD + "    return x @ x\n", "TND-S003", "'matmul' takes the sizes"),
        (HEAD + "    return relu(x, w)\n", "TND-M006", "relu"),
        (HEAD + "    return concat(x, w, axis=5)\n", "TND-M006", "axis"),
        (HEAD + '    return cast(x, dtype=dtype("int32"))\n', "TND-S003", "is Tensor.*int32.*, not Tensor"),
        (HEAD + "    return x, w\n", "TND-S001", "2 results are returned, 1 are declared"),
        (HEAD + "    y = relu(x)\n", "TND-S001", "an operator returns a value"),
        (HEAD + "    return x\n    y = x\n", "TND-S001", "nothing may follow 'return'"),
        (HEAD + "    for i in range(3):\n        y = x\n    return x\n", "TND-S001", "expected 'name = value'"),
        (HEAD + "    y = call('test.halves', x)\n    return y\n", "TND-S001", "the operator has 2 results"),
        (HEAD + "    a, b, c = call('test.halves', x)\n", "TND-S003", "2 results, not 3"),
        (HEAD + "    return x ^ x\n", "TND-S001", "not part of the language"),
        (HEAD + "    return call_packed('a.b', x)\n", "TND-S001", "needs a type"),
        (HEAD + '    y: Tensor((n, m), "int32") = x\n    return y\n', "TND-S003", "not Tensor"),
        (PLAIN + "    return x\n", "TND-S001", "types of the results"),
        (WIDER + "    return x\n", "TND-S003", "no input gives the size 'p'"),
    ],
)
def test_mistakes_are_told_where_they_stand(tmp_path, text, code, message):
    path = tmp_path / "mine.py"
    path.write_text(f"from __future__ import annotations\nimport tondo\n\n\n@tondo.operator\n{text}")
    shapes = dims((Var("n"), 6)), dims((6, 5))
    use = OpCall("wrong", tuple(TensorType(shape, dtype("float32")) for shape in shapes), Attrs())

    def attempt():
        scope: dict[str, object] = {"__name__": "mine"}
        exec(compile(path.read_text(), str(path), "exec"), scope)
        scope["wrong"].expand(use, LIBRARY)

    with pytest.raises(TondoError, match=message) as caught:
        attempt()
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == code
    assert diagnostic.span.file == str(path)
    assert diagnostic.source == path.read_text().splitlines()[diagnostic.span.line - 1]
