"""``graph.join``: concatenations share the memory of what they join; results never change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tondo
from tondo.interp import run_graph
from tondo.ir import (
    FLOAT32,
    Binding,
    CallDps,
    Compute,
    Const,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    Join,
    Reinterpret,
    TensorFunction,
    TensorType,
    Var,
    add,
    dims,
    parts_of,
    select,
)
from tondo.passes import PassContext
from tondo.passes.verify import require
from tondo_passes.graph.join import JoinParts
from tondo_passes.host.plan_memory import PlanMemory
from tondo_passes.tensor import LOWERING

Same = Callable[..., None]
N = Var("n")


class Graph:
    """A graph function under construction; every call gets a function of its own."""

    def __init__(self) -> None:
        self.params: list[GraphVar] = []
        self.bindings: list[Binding] = []
        self.functions: list[TensorFunction] = []

    def param(self, *shape: Expr | int) -> GraphVar:
        self.params.append(GraphVar(f"p{len(self.params)}", TensorType(dims(shape), FLOAT32)))
        return self.params[-1]

    def _call(self, builder: Compute, made: object, args: tuple[GraphVar, ...]) -> GraphVar:
        function = builder.build(made)  # type: ignore[arg-type]
        self.functions.append(function)
        var = GraphVar(f"v{len(self.bindings)}", TensorType(function.output_buffers[0].shape, FLOAT32))
        self.bindings.append(Binding((var,), CallDps(function.name, args, function.scalars)))
        return var

    def scale(self, x: GraphVar, factor: float = 0.5) -> GraphVar:
        builder = Compute(f"scale_{len(self.functions)}")
        source = builder.input("x", x.tensor)
        return self._call(builder, builder.compute("y", x.tensor.dims, lambda *at: source[at] * factor), (x,))

    def project(self, x: GraphVar, w: GraphVar) -> GraphVar:
        builder = Compute(f"project_{len(self.functions)}")
        a, b = builder.input("a", x.tensor), builder.input("b", w.tensor)
        *rows, depth = x.tensor.dims
        made = builder.reduce(
            "y", (*rows, w.tensor.dims[1]), (depth,), lambda *at: a[(*at[:-2], at[-1])] * b[at[-1], at[-2]]
        )
        return self._call(builder, made, (x, w))

    def concat(self, *parts: GraphVar, axis: int = -1) -> GraphVar:
        axis %= parts[0].tensor.rank
        builder = Compute(f"concat_{len(self.functions)}")
        inputs = [builder.input(f"x{i}", part.tensor) for i, part in enumerate(parts)]
        ends: list[Expr] = [Const(0)]
        for part in parts:
            ends.append(add(ends[-1], part.tensor.dims[axis]))

        def value(*at: Expr) -> Expr:
            found: Expr | None = None
            for source, begin, end in reversed(list(zip(inputs, ends, ends[1:], strict=False))):
                taken = source[(*at[:axis], at[axis] - begin, *at[axis + 1 :])]
                found = taken if found is None else select(at[axis] < end, taken, found)
            assert found is not None
            return found

        shape = [*parts[0].tensor.dims]
        shape[axis] = ends[-1]
        return self._call(builder, builder.compute("y", shape, value), parts)

    def module(self, *results: GraphVar) -> IRModule:
        main = GraphFunction("main", tuple(self.params), tuple(self.bindings), results)
        return IRModule.of(main, *self.functions)


def joins(module: IRModule) -> list[Binding]:
    return [binding for binding in module.graph().bindings if isinstance(binding.operation, Join)]


def calls(module: IRModule) -> list[str]:
    found = (binding.operation for binding in module.graph().bindings)
    return [call.function.split("_")[0] if isinstance(call, CallDps) else "join" for call in found]


def check(before: IRModule, context: PassContext, same_meaning: Same, **sizes: int) -> IRModule:
    """Join; compare as it is, and with flat memory."""
    after = JoinParts().run(before, context)
    require(after)
    same_meaning(before, after, tolerance=1e-5, **sizes)
    flat = after
    for step in LOWERING:
        flat = step.run(flat, context)
        require(flat)
    same_meaning(before, flat, tolerance=1e-5, **sizes)
    return after


def check_native(before: IRModule, threads: int, sizes: tuple[int, ...]) -> None:
    model = tondo.compile(before, threads=threads, config={"cache": False})
    try:
        for n in sizes:
            generator = np.random.default_rng(n)
            inputs = {
                param.name: generator.standard_normal(
                    [int(dim.value) if isinstance(dim, Const) else n for dim in param.tensor.dims], np.float32
                )
                for param in before.graph().params
            }
            expected = run_graph(before, list(inputs.values()), {})
            for found, wanted in zip(model.run(inputs).values(), expected, strict=True):
                np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    finally:
        model.close()


def dense_block(layers: int, *, listed: bool) -> IRModule:
    """Every layer sees what all before it have made, appended to one another or listed anew."""
    graph = Graph()
    x = graph.scale(graph.param(N, 5, 32))
    made = [x]
    whole = x
    for layer in range(layers):
        weights = graph.param(32 * (layer + 1), 32)
        made.append(graph.project(graph.scale(whole), weights))
        whole = graph.concat(*made) if listed else graph.concat(whole, made[-1])
    return graph.module(graph.scale(whole))


@pytest.mark.parametrize("listed", [False, True])
def test_a_dense_block_is_one_memory(listed: bool, context: PassContext, same_meaning: Same) -> None:
    before = dense_block(4, listed=listed)
    after = check(before, context, same_meaning, n=2)
    check(before, context, same_meaning, n=0)
    assert "concat" not in calls(after)
    assert "copy" not in calls(after)
    parts = parts_of(after.graph().bindings)
    assert len({part.whole for part in parts.values()}) == 1
    planned = PlanMemory().run(after, context).graph().attrs["memory"]
    assert set(dict(planned["places"])).isdisjoint(part.name for part in parts)  # type: ignore[index,call-overload]


@pytest.mark.llvm
@pytest.mark.parametrize("listed", [False, True])
def test_a_dense_block_runs(listed: bool) -> None:
    check_native(dense_block(3, listed=listed), 2, (1, 3))


def test_the_join_may_be_a_result(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    x = graph.param(N, 24)
    before = graph.module(graph.concat(graph.scale(x), graph.scale(x, 2.0)))
    after = check(before, context, same_meaning, n=3)
    assert calls(after) == ["scale", "scale", "join"]


def test_what_cannot_lie_there_is_copied(context: PassContext, same_meaning: Same) -> None:
    """Parameters, results, values of two concatenations, the same value twice, values that are needed in one piece."""
    graph = Graph()
    x = graph.param(N, 20)
    one, two, three, four = (graph.scale(x, factor) for factor in (2.0, 3.0, 4.0, 5.0))
    seen = GraphVar("seen", TensorType(dims((N, 4, 5)), FLOAT32))
    graph.bindings.append(Binding((seen,), Reinterpret(three)))
    first = graph.concat(x, one, two, four)
    second = graph.concat(one, three, *(graph.scale(x, factor) for factor in (6.0, 7.0, 8.0)))
    third = graph.concat(graph.scale(x), graph.scale(x, 9.0), second, second)
    before = graph.module(*(graph.scale(value) for value in (first, second, third, seen)), four)
    after = check(before, context, same_meaning, n=2)
    (join,) = joins(after)
    assert join.var == second
    assert isinstance(join.operation, Join)
    assert [arg.name.endswith("_part") for arg in join.operation.args] == [False, True, False, False, False]


def test_short_runs_and_unknown_sizes_stay(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    x = graph.param(N, 3)
    short = graph.module(graph.concat(graph.scale(x), graph.scale(x, 2.0)))
    assert check(short, context, same_meaning, n=2) == short


def fits(value: GraphVar, other: GraphVar, axis: int) -> bool:
    """Whether both have the same sizes except along ``axis``."""
    pairs = enumerate(zip(value.tensor.dims, other.tensor.dims, strict=True))
    return all(a == b for i, (a, b) in pairs if i != axis)


@st.composite
def modules(draw: st.DrawFn) -> tuple[IRModule, int]:
    """Random concatenations, along any axis, of parameters, products and elementwise values, some of them results."""
    graph = Graph()
    rows = draw(st.sampled_from([N, Const(1), Const(4)]))
    values = [graph.param(rows, 3, 16)]
    for _ in range(draw(st.integers(3, 9))):
        x = draw(st.sampled_from(values))
        match draw(st.sampled_from(["scale", "project", "concat", "concat"])):
            case "scale":
                values.append(graph.scale(x, draw(st.sampled_from([0.5, -1.0]))))
            case "project":
                values.append(graph.project(x, graph.param(x.tensor.dims[-1], draw(st.sampled_from([16, 17, 32])))))
            case _:
                axis = draw(st.integers(1, 2))
                others = [value for value in values if fits(value, x, axis)]
                parts = draw(st.lists(st.sampled_from(others), min_size=1, max_size=3))
                values.append(graph.concat(x, *parts, axis=axis))
    made = [value for value in values if value not in graph.params]
    results = draw(st.lists(st.sampled_from(made), min_size=1, max_size=2, unique=True))
    used = {item for binding in graph.bindings for item in binding.operation.children()}
    ends = [graph.scale(value) for value in made if value not in used and value not in results]
    return graph.module(*results, *ends), draw(st.integers(1, 3))


SETTINGS = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@settings(SETTINGS, max_examples=60)
@given(case=modules())
def test_any_concatenations(case: tuple[IRModule, int], context: PassContext, same_meaning: Same) -> None:
    module, n = case
    check(module, context, same_meaning, n=n)


@pytest.mark.llvm
@settings(SETTINGS, max_examples=12)
@given(case=modules(), threads=st.sampled_from([1, 2]))
def test_any_concatenations_natively(case: tuple[IRModule, int], threads: int) -> None:
    module, n = case
    check_native(module, threads, (n, 4))
