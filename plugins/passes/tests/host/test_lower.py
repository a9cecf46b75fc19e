"""``host.lower``: the host function, the interface, and whole modules run as machine code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tondo
from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import Attrs, ConstantData, IRModule
from tondo.passes import PassContext
from tondo.script import parse, script
from tondo_passes.host.lower import LowerHost
from tondo_passes.host.plan_memory import PlanMemory

PASSES = [
    "tensor.lower_blocks",
    "tensor.simplify",
    "tensor.compact_buffers",
    "tensor.lift_workspace",
    "tensor.vectorize",
    "tensor.simplify",
    "tensor.flatten",
    "host.plan_memory",
    "host.lower",
]

KERNELS = """
@tensor_function
def scale(p: "int64", q: "int64", x: Buffer((p, q)), w: Buffer((q,)), y: Buffer((p, q))):
    for i in serial(p):
        for j in serial(q):
            with block("scale"):
                vi = spatial(p, i)
                vj = spatial(q, j)
                reads(x[vi, vj], w[vj])
                writes(y[vi, vj])
                y[vi, vj] = x[vi, vj] * w[vj]


@tensor_function(outputs=2)
def turn_and_sum(p: "int64", q: "int64", x: Buffer((p, q)), t: Buffer((q, p)), s: Buffer((p,))):
    e = allocate((p, q), "float32")
    for i in serial(p):
        for j in serial(q):
            with block("e"):
                vi = spatial(p, i)
                vj = spatial(q, j)
                reads(x[vi, vj])
                writes(e[vi, vj])
                e[vi, vj] = exp(x[vi, vj])
    for i2 in serial(q):
        for j2 in serial(p):
            with block("t"):
                vi2 = spatial(q, i2)
                vj2 = spatial(p, j2)
                reads(e[vj2, vi2])
                writes(t[vi2, vj2])
                t[vi2, vj2] = e[vj2, vi2]
    for i3 in serial(p):
        for k3 in serial(q):
            with block("s"):
                vi3 = spatial(p, i3)
                vk3 = reduction(q, k3)
                reads(e[vi3, vk3])
                writes(s[vi3])
                with init():
                    s[vi3] = 0.0
                s[vi3] = s[vi3] + e[vi3, vk3]
"""

# The input 'n' has the name of a dimension; the dimensions are called otherwise than those of the kernels,
# and those of turn_and_sum's second use are exchanged.
GRAPH = """
CONSTANTS = {"w": data("float32", (3,), (1.0, -0.5, 2.0))}


@graph_function
def main(n: Tensor((n, 3), "float32"), m: Tensor((m, n), "float32")):
    a: Tensor((n, 3), "float32") = call_dps("scale", n, constant("w"), scalars=(n, 3))
    t, s = call_dps("turn_and_sum", a, scalars=(n, 3), results=(Tensor((3, n), "float32"), Tensor((n,), "float32")))
    b: Tensor((3, n), "float32") = match_shape(t, (3, n))
    c: Tensor((3, n), "float32") = call_dps("scale", b, s, scalars=(3, n))
    d: Tensor((m, n), "float32") = call_dps("scale", m, s, scalars=(m, n))
    u, v = call_dps("turn_and_sum", d, scalars=(m, n), results=(Tensor((n, m), "float32"), Tensor((m,), "float32")))
    return (c, u, v)
"""


AGAIN = """e: Tensor((n, 3), "float32") = call_dps("scale", n, constant("w"), scalars=(n, 3))
    return (a, e, n, constant("w"), c, c)"""


def module() -> IRModule:
    return parse(GRAPH + KERNELS)


def lowered(before: IRModule, context: PassContext) -> IRModule:
    return LowerHost().run(PlanMemory().run(before, context), context)


def test_interface(context: PassContext, round_trips: Callable[[IRModule], None]) -> None:
    after = lowered(module(), context)
    round_trips(after)
    host = after.tensor("main")
    assert [param.name for param in host.params] == ["m", "n", "n_1", "m_1", "w", "c", "u", "v", "workspace"]
    assert (host.outputs, host.attrs) == (4, Attrs(kind="host", exported=True))
    assert (after.attrs["symbols"], after.attrs["constants"]) == (("m", "n"), ("w",))
    assert [entry["name"] for entry in after.attrs["inputs"]] == ["n", "m"]
    assert [str(entry["shape"]) for entry in after.attrs["outputs"]] == [
        str(result.tensor.dims) for result in module().graph().results
    ]
    text = script(host)
    assert "invoke('scale', n, 3, n_1, w, a)" in text
    assert "assert" not in text


def test_shapes_that_must_agree_are_asserted(context: PassContext) -> None:
    before = parse(
        """
@graph_function
def main(x: Tensor((n, m), "float32")):
    y: Tensor((m, m), "float32") = match_shape(x, (m, m))
    z: Tensor((m, m), "float32") = call_packed("f", y)
    return (z,)
"""
    )
    text = script(lowered(before, context).tensor("main"))
    assert "assert n == m, \"shape of 'y' is not as declared\"" in text
    assert "invoke_packed('f', x, z)" in text


def given(n: int, m: int) -> list[np.ndarray]:
    generator = np.random.default_rng(n * 100 + m)
    return [generator.standard_normal(shape).astype(np.float32) / 4 for shape in ((n, 3), (m, n))]


@pytest.mark.llvm
def test_whole_modules_run() -> None:
    before = module()
    model = tondo.compile(before, config={"passes": PASSES, "cache": False})
    for n, m in ((1, 1), (4, 2), (17, 5), (3, 64)):
        inputs = given(n, m)
        found = model.run({"n": inputs[0], "m": inputs[1]})
        expected = run_graph(before, inputs, {})
        x, w = inputs[0], before.constants["w"].array
        e = np.exp(x * w)
        np.testing.assert_allclose(found["c"], e.T * e.sum(1), rtol=1e-5)
        for (name, value), wanted in zip(found.items(), expected, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-5, err_msg=name)


@pytest.mark.llvm
def test_the_default_pipeline_runs() -> None:
    """Results that are equal, constant, an input, and renamed by layouts or merged by common subexpressions."""
    before = parse(GRAPH.replace("return (c, u, v)", AGAIN) + KERNELS)
    names = ("a", "e", "same", "w", "c", "c2")
    graph = before.graph()
    before = before.with_functions(
        [type(graph)(graph.name, graph.params, graph.bindings, graph.results, Attrs(output_names=names))]
    )
    model = tondo.compile(before, config={"cache": False})
    inputs = given(5, 2)
    found = model.run({"n": inputs[0], "m": inputs[1]})
    assert tuple(found) == names
    for value, wanted in zip(found.values(), run_graph(before, inputs, {}), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5)


def refused(text: str, context: PassContext) -> str:
    with pytest.raises(TondoError) as caught:
        lowered(parse(text), context)
    assert caught.value.diagnostics[0].code == "TND-B004"
    return caught.value.diagnostics[0].message


HEAD = '@graph_function\ndef main(x: Tensor((n,), "float32"), flag: Tensor((), "bool")):\n'
KIND = 'Tensor((n,), "float32")'


def test_refused(context: PassContext) -> None:
    region = f"    def then():\n        return (x,)\n    y: {KIND} = if_region(flag, then, then)\n    return (y,)\n"
    assert refused(HEAD + region, context) == "a region is not outlined"
    call = f'    y: {KIND} = call_graph("other", x)\n    return (y,)\n'
    assert refused(HEAD + call, context) == "'other' is called as a function"
    options = f'    y: {KIND} = call_packed("f", x, attrs={{"size": expr(n)}})\n    return (y,)\n'
    assert "an expression cannot be passed" in refused(HEAD + options, context)
    assert refused(HEAD + "    return (x,)\n", context) == "a result of 'main' is not computed by it"
    assert (
        refused("@graph_function\ndef other(x: Shape(1)):\n    return ()\n", context)
        == "the module has no function 'main'"
    )
    with pytest.raises(TondoError, match="the memory of 'main' is not planned"):
        LowerHost().run(parse(HEAD + "    return (x,)\n"), context)


def test_constants_keep_their_order(context: PassContext) -> None:
    before = module()
    more = before.with_constants({"unused": ConstantData(np.zeros(3, np.int8)), **before.constants})
    after = lowered(more, context)
    assert list(after.constants) == ["w"]
    assert (LowerHost.name, LowerHost.requires, LowerHost.ensures) == ("host.lower", {"planned"}, {"lowered"})
