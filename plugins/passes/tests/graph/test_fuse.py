"""``graph.fuse``: results never change; what is fused follows from facts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tondo.interp import run_graph
from tondo.ir import (
    FLOAT32,
    Binary,
    Binding,
    CallDps,
    Compute,
    ConstantData,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    const,
    dims,
)
from tondo.passes import PassContext
from tondo.script import parse, script
from tondo_passes.graph.fuse import Fuse

Same = Callable[..., None]
N, M = Var("n"), Var("m")


def tensor(*shape: Expr | int) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


# Functions are written over dimensions named p and q: never those of the graphs that call them.
P, Q = Var("p"), Var("q")


def unary(name: str, value: Callable[[Expr], Expr]) -> TensorFunction:
    builder = Compute(name)
    x = builder.input("x", tensor(P, Q))
    return builder.build(builder.compute("y", (P, Q), lambda i, j: value(x[i, j])))


def double() -> TensorFunction:
    return unary("double", lambda x: x * 2.0)


def relu() -> TensorFunction:
    return unary("relu", lambda x: Binary("max", const(0.0), x))


def plus() -> TensorFunction:
    builder = Compute("plus")
    x, y = builder.input("x", tensor(P, Q)), builder.input("y", tensor(P, Q))
    return builder.build(builder.compute("z", (P, Q), lambda i, j: x[i, j] + y[i, j]))


def row_sum() -> TensorFunction:
    builder = Compute("row_sum")
    x = builder.input("x", tensor(P, Q))
    total = builder.reduce("total", (P,), (Q,), lambda i, k: x[i, k])
    return builder.build(builder.compute("spread", (P, Q), lambda i, j: total[i] + 0.0 * x[i, j]))


def transpose() -> TensorFunction:
    builder = Compute("transpose")
    x = builder.input("x", tensor(P, Q))
    return builder.build(builder.compute("y", (Q, P), lambda i, j: x[j, i]))


def matmul() -> TensorFunction:
    builder = Compute("matmul")
    x, w = builder.input("x", tensor(P, Q)), builder.input("w", tensor(Q, Q))
    return builder.build(builder.reduce("y", (P, Q), (Q,), lambda i, j, k: x[i, k] * w[k, j]))


def sum_rows() -> TensorFunction:
    builder = Compute("sum_rows")
    x = builder.input("x", tensor(P, Q))
    return builder.build(builder.reduce("y", (P,), (Q,), lambda i, k: x[i, k]))


LIBRARY = {f.name: f for f in (double(), relu(), plus(), row_sum(), transpose(), matmul(), sum_rows())}


class Graph:
    """Builds ``main`` over ``x: (n, n)`` by calls of the library."""

    def __init__(self, *, square: bool = True) -> None:
        self.shape = (N, N) if square else (N, M)
        self.params = [GraphVar("x", tensor(*self.shape))]
        self.bindings: list[Binding] = []

    def call(self, name: str, *args: GraphVar | ConstantRef, shape: tuple[Expr, ...] | None = None) -> GraphVar:
        made = GraphVar(f"v{len(self.bindings)}", tensor(*(shape or self.shape)))
        first = args[0].tensor.dims
        self.bindings.append(Binding((made,), CallDps(name, tuple(args), tuple(first)), f"node{len(self.bindings)}"))
        return made

    def module(self, *results: GraphVar, constants: dict[str, np.ndarray] | None = None) -> IRModule:
        main = GraphFunction("main", tuple(self.params), tuple(self.bindings), results)
        data = {name: ConstantData(array) for name, array in (constants or {}).items()}
        return IRModule.of(main, *LIBRARY.values(), constants=data)


def calls(module: IRModule) -> list[str]:
    return [b.operation.function for b in module.graph().bindings if isinstance(b.operation, CallDps)]


def test_script_before_and_after(context: PassContext, same_meaning: Same) -> None:
    before = parse(
        """
@graph_function
def main(x: Tensor((n, 8), "float32")):
    t: Tensor((n, 8), "float32") = call_dps("double", x, scalars=(n,))  # first
    y: Tensor((n, 8), "float32") = call_dps("inc", t, scalars=(n,))  # second
    return (y,)


@tensor_function
def double(p: "int64", x: Buffer((p, 8), "float32"), y: Buffer((p, 8), "float32")):
    for i in serial(p):
        for j in serial(8):
            with block("b"):
                vi = spatial(p, i)
                vj = spatial(8, j)
                reads(x[vi, vj])
                writes(y[vi, vj])
                y[vi, vj] = x[vi, vj] * 2


@tensor_function
def inc(p: "int64", x: Buffer((p, 8), "float32"), y: Buffer((p, 8), "float32")):
    for i in serial(p):
        for j in serial(8):
            with block("b"):
                vi = spatial(p, i)
                vj = spatial(8, j)
                reads(x[vi, vj])
                writes(y[vi, vj])
                y[vi, vj] = x[vi, vj] + 1
"""
    )
    after = Fuse().run(before, context)
    (binding,) = after.graph().bindings
    assert isinstance(binding.operation, CallDps)
    assert (binding.operation.function, binding.operation.scalars, binding.source) == (
        "double_inc",
        (N,),
        "first, second",
    )
    assert (
        script(after.tensor("double_inc")).splitlines()[1]
        == 'def double_inc(n: "int64", x: Buffer((n, 8), "float32"), y_1: Buffer((n, 8), "float32")):'
    )
    same_meaning(before, after, n=3)


def test_chain_and_epilogue(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    w = ConstantRef("w", tensor(4, 4))
    y = graph.call("relu", graph.call("double", graph.call("matmul", graph.params[0], w)))
    before = graph.module(y, constants={"w": np.eye(4, dtype=np.float32)})
    after = Fuse().run(before, context)
    assert calls(after) == ["matmul_double_relu"]
    same_meaning(before, after, n=4)


def test_both_operands_may_be_moved(context: PassContext, same_meaning: Same) -> None:
    """The gates of a recurrent layer: each operand is cut out or turned and then computed."""
    graph = Graph()
    (x,) = graph.params
    left = graph.call("double", graph.call("transpose", x))
    right = graph.call("relu", graph.call("transpose", graph.call("double", x)))
    before = graph.module(graph.call("plus", left, right))
    after = Fuse().run(before, context)
    assert len(calls(after)) == 1
    same_meaning(before, after, n=5)


def test_what_is_used_twice_or_returned_stays(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    t = graph.call("double", graph.params[0])
    left, right = graph.call("relu", t), graph.call("double", t)
    before = graph.module(graph.call("plus", left, right), t)
    after = Fuse().run(before, context)
    assert calls(after) == ["double", "double_relu_plus"]
    same_meaning(before, after, n=3)

    graph = Graph()
    t = graph.call("double", graph.params[0])
    before = graph.module(t, graph.call("relu", t))
    assert calls(Fuse().run(before, context)) == ["double", "relu"]


def test_residual_addition_takes_one_contraction(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    x = graph.params[0]
    first, second = graph.call("matmul", x, x), graph.call("matmul", graph.call("double", x), x)
    before = graph.module(graph.call("relu", graph.call("plus", first, second)))
    after = Fuse().run(before, context)
    assert len(calls(after)) == 3
    same_meaning(before, after, n=4, tolerance=1e-6)


def test_a_value_read_twice_by_one_call_stays(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    t = graph.call("double", graph.params[0])
    before = graph.module(graph.call("plus", t, t))
    after = Fuse().run(before, context)
    assert calls(after) == ["double", "plus"]
    same_meaning(before, after, n=3)


def test_no_prologue_into_a_contraction_and_no_reduction_into_an_injective(context: PassContext) -> None:
    graph = Graph()
    t = graph.call("matmul", graph.call("double", graph.params[0]), graph.params[0])
    assert calls(Fuse().run(graph.module(t), context)) == ["double", "matmul"]
    graph = Graph()
    t = graph.call("transpose", graph.call("matmul", graph.params[0], graph.params[0]))
    assert calls(Fuse().run(graph.module(t), context)) == ["matmul", "transpose"]
    graph = Graph()
    t = graph.call("sum_rows", graph.call("double", graph.params[0]), shape=(N,))
    assert calls(Fuse().run(graph.module(t), context)) == ["double_sum_rows"]


def test_a_contraction_stores_its_result_in_another_order(context: PassContext, same_meaning: Same) -> None:
    """Only where the innermost axis stays, so that vectors are stored as before."""

    def product_of_heads(outer: tuple[int, int, int]) -> IRModule:
        builder = Compute("product")
        x, y = builder.input("x", tensor(2, P, 4)), builder.input("y", tensor(2, 4, 8))
        made = builder.reduce("z", (2, P, 8), (4,), lambda h, i, j, k: x[h, i, k] * y[h, k, j])
        product = builder.build(made)
        builder = Compute("turn")
        z = builder.input("z", tensor(2, P, 8))
        shape = [(2, P, 8)[axis] for axis in outer]
        turn = builder.build(
            builder.compute("t", shape, lambda *at: z[tuple(at[outer.index(axis)] for axis in range(3))])
        )
        a, b = GraphVar("a", tensor(2, N, 4)), GraphVar("b", tensor(2, 4, 8))
        c, d = GraphVar("c", tensor(2, N, 8)), GraphVar("d", tensor(*[(2, N, 8)[axis] for axis in outer]))
        bindings = (Binding((c,), CallDps("product", (a, b), (N,))), Binding((d,), CallDps("turn", (c,), (N,))))
        return IRModule.of(GraphFunction("main", (a, b), bindings, (d,)), product, turn)

    before = product_of_heads((1, 0, 2))
    after = Fuse().run(before, context)
    assert calls(after) == ["product_turn"]
    same_meaning(before, after, n=3, tolerance=1e-6)
    assert calls(Fuse().run(product_of_heads((0, 2, 1)), context)) == ["product", "turn"]


def test_callers_may_name_dimensions_as_they_like(context: PassContext, same_meaning: Same) -> None:
    """The names of the graph's dimensions are those of loops and of other dimensions inside the functions."""
    n, m = Var("q"), Var("y_l0")
    kind, turned = tensor(n, m), tensor(m, n)
    x, t, u, y = GraphVar("x", kind), GraphVar("t", kind), GraphVar("u", turned), GraphVar("y", turned)
    bindings = (
        Binding((t,), CallDps("double", (x,), (n, m))),
        Binding((u,), CallDps("transpose", (t,), (n, m))),
        Binding((y,), CallDps("relu", (u,), (m, n))),
    )
    before = IRModule.of(GraphFunction("main", (x,), bindings, (y,)), *LIBRARY.values())
    after = Fuse().run(before, context)
    assert calls(after) == ["double_transpose_relu"]
    same_meaning(before, after, q=2, y_l0=5)


def test_equal_fused_functions_are_one(context: PassContext, same_meaning: Same) -> None:
    graph = Graph(square=False)
    x = graph.params[0]
    a = graph.call("relu", graph.call("double", x))
    b = graph.call("relu", graph.call("double", a))
    before = graph.module(a, b)
    after = Fuse().run(before, context)
    assert calls(after) == ["double_relu", "double_relu"]
    same_meaning(before, after, n=2, m=3)


def test_max_ops(context: PassContext) -> None:
    graph = Graph()
    value = graph.params[0]
    for _ in range(6):
        value = graph.call("double", value)
    assert len(calls(Fuse(max_ops=2).run(graph.module(value), context))) == 3
    assert calls(Fuse(max_ops=1).run(graph.module(value), context)) == ["double"] * 6


def test_opaque_and_several_results_stay(context: PassContext) -> None:
    module = parse(
        """
@graph_function
def main(x: Tensor((4,), "float32")):
    a, b = call_dps("two", x, results=(Tensor((4,), "float32"), Tensor((4,), "float32")))
    c: Tensor((4,), "float32") = call_dps("bare", a)
    d: Tensor((4,), "float32") = call_packed("my.function", c)
    return (b, d)


@tensor_function(outputs=2)
def two(x: Buffer((4,)), y: Buffer((4,)), z: Buffer((4,))):
    for i in serial(4):
        y[i] = x[i]
        z[i] = x[i]


@tensor_function
def bare(x: Buffer((4,)), y: Buffer((4,))):
    for i in serial(4):
        y[i] = x[i]
"""
    )
    assert Fuse().run(module, context) == module


def test_idempotent_and_declared(context: PassContext) -> None:
    graph = Graph()
    once = Fuse().run(graph.module(graph.call("relu", graph.call("double", graph.params[0]))), context)
    assert Fuse().run(once, context) == once
    assert (Fuse.name, Fuse.requires, Fuse.ensures) == ("graph.fuse", {"defined"}, {"fused"})
    with pytest.raises(AttributeError):
        Fuse().max_ops = 3  # type: ignore[misc]


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_graphs_keep_their_meaning(
    data: st.DataObject, context: PassContext, round_trips: Callable[[IRModule], None]
) -> None:
    graph = Graph()
    values: list[GraphVar] = [graph.params[0]]
    for _ in range(data.draw(st.integers(1, 10))):
        name = data.draw(st.sampled_from(["double", "relu", "plus", "plus", "row_sum", "transpose", "matmul"]))
        pick = st.sampled_from(values[-3:])
        count = 2 if name in {"plus", "matmul"} else 1
        values.append(graph.call(name, *(data.draw(pick) for _ in range(count))))
    results = data.draw(st.lists(st.sampled_from(values[1:]), min_size=1, max_size=2, unique=True))
    before = graph.module(*results)
    after = Fuse(max_ops=data.draw(st.sampled_from([2, 64]))).run(before, context)
    round_trips(after)
    array = np.linspace(-0.4, 0.5, 9, dtype=np.float32).reshape(3, 3)
    for one, other in zip(run_graph(after, [array], {}), run_graph(before, [array], {}), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    defined = {param.name for param in after.graph().params}
    for binding in after.graph().bindings:
        assert isinstance(binding.operation, CallDps)
        assert all(arg.name in defined for arg in binding.operation.args)
        defined |= {var.name for var in binding.vars}
