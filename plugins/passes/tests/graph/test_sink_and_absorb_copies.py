"""``graph.sink_copies`` and ``graph.absorb_copies``: results never change, copies between computations go."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    TensorFunction,
    TensorType,
    Var,
    dims,
)
from tondo.passes import PassContext
from tondo_passes.graph.absorb_copies import AbsorbCopies
from tondo_passes.graph.alias_views import AliasViews
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.fuse import Fuse
from tondo_passes.graph.sink_copies import SinkCopies

Same = Callable[..., None]
Shape = tuple[Expr | int, ...]
N, M = Var("n"), Var("m")


class Graph:
    """A graph function under construction; every call gets a function of its own."""

    def __init__(self) -> None:
        self.params: list[GraphVar] = []
        self.bindings: list[Binding] = []
        self.functions: list[TensorFunction] = []

    def param(self, *shape: Expr | int) -> GraphVar:
        self.params.append(GraphVar(f"p{len(self.params)}", TensorType(dims(shape), FLOAT32)))
        return self.params[-1]

    def call(
        self, name: str, shape: Shape, args: list[GraphVar], value: Callable[..., object], over: Shape = ()
    ) -> GraphVar:
        """``value(*input buffers, *indices)``; a sum over ``over`` if there are reduction axes."""
        builder = Compute(f"{name}_{len(self.functions)}")
        inputs = [builder.input(f"x{i}", arg.tensor) for i, arg in enumerate(args)]
        if over:
            made = builder.reduce("y", dims(shape), dims(over), lambda *at: value(*inputs, *at))  # type: ignore[arg-type,return-value]
        else:
            made = builder.compute("y", dims(shape), lambda *at: value(*inputs, *at))  # type: ignore[arg-type,return-value]
        function = builder.build(made)
        self.functions.append(function)
        var = GraphVar(f"v{len(self.bindings)}", TensorType(dims(shape), FLOAT32))
        self.bindings.append(Binding((var,), CallDps(function.name, tuple(args), function.scalars)))
        return var

    def reshape(self, x: GraphVar, *shape: Expr | int) -> GraphVar:
        target = dims(shape)

        def value(source: object, *at: Expr) -> object:
            position: Expr = Const(0)
            for index, extent in zip(at, target, strict=True):
                position = position * extent + index
            found: list[Expr] = []
            for extent in reversed(x.tensor.dims[1:]):
                found.append(position % extent)
                position = position // extent
            return source[(position, *reversed(found))]  # type: ignore[index]

        return self.call("reshape", shape, [x], value)

    def transpose(self, x: GraphVar, *order: int) -> GraphVar:
        shape = tuple(x.tensor.dims[axis] for axis in order)
        back = [order.index(axis) for axis in range(len(order))]
        return self.call("transpose", shape, [x], lambda source, *at: source[tuple(at[axis] for axis in back)])

    def scale(self, x: GraphVar, factor: float = 0.5) -> GraphVar:
        return self.call("scale", x.tensor.dims, [x], lambda source, *at: source[at] * factor)

    def project(self, x: GraphVar, w: GraphVar) -> GraphVar:
        *rows, depth = x.tensor.dims
        columns = w.tensor.dims[1]
        return self.call(
            "project", (*rows, columns), [x, w], lambda a, b, *at: a[(*at[:-2], at[-1])] * b[at[-1], at[-2]], (depth,)
        )

    def module(self, *results: GraphVar) -> IRModule:
        main = GraphFunction("main", tuple(self.params), tuple(self.bindings), results)
        return IRModule.of(main, *self.functions)


def stems(module: IRModule) -> list[str]:
    """Names of what main does, without numbers; views by their operation."""
    return [
        binding.operation.function.split("_")[0] if isinstance(binding.operation, CallDps) else "reinterpret"
        for binding in module.graph().bindings
    ]


def moved(module: IRModule, context: PassContext) -> IRModule:
    for step in (SinkCopies(), AbsorbCopies(), DeadCode(), AliasViews()):
        module = step.run(module, context)
    return module


def attention(heads: int, width: int, *, scaled: bool = True) -> IRModule:
    graph = Graph()
    x, wq, wk = (
        graph.param(N, M, heads * width),
        graph.param(heads * width, heads * width),
        graph.param(heads * width, heads * width),
    )

    def split(value: GraphVar) -> GraphVar:
        return graph.transpose(graph.reshape(value, N, M, heads, width), 0, 2, 1, 3)

    q, k = split(graph.project(x, wq)), split(graph.project(x, wk))
    q = graph.scale(q) if scaled else q
    scores = graph.call(
        "scores",
        (N, heads, M, M),
        [q, k],
        lambda a, b, n, h, i, j, d: a[n, h, i, d] * b[n, h, j, d],
        (width,),
    )
    v = split(graph.project(x, wk))
    mixed = graph.call(
        "mix", (N, heads, M, width), [scores, v], lambda a, b, n, h, i, d, j: a[n, h, i, j] * b[n, h, j, d], (M,)
    )
    return graph.module(graph.reshape(graph.transpose(mixed, 0, 2, 1, 3), N, M, heads * width))


def test_heads_are_read_where_the_projection_wrote_them(context: PassContext, same_meaning: Same) -> None:
    before = attention(2, 4)
    after = moved(before, context)
    assert stems(after) == ["project", "project", "scale", "scores", "project", "mix", "transpose", "reinterpret"]
    fused = Fuse().run(after, context)
    same_meaning(before, after, n=2, m=3, tolerance=1e-5)
    same_meaning(before, fused, n=2, m=3, tolerance=1e-5)
    functions = [b.operation.function for b in fused.graph().bindings if isinstance(b.operation, CallDps)]
    assert any(name.startswith("project_scale") for name in functions), functions


def test_an_operand_that_was_turned_for_its_vectors_stays(context: PassContext) -> None:
    """K transposed so that columns are contiguous: reading it in place would scatter them."""
    graph = Graph()
    x, k = graph.param(4, 8), graph.param(6, 8)
    turned = graph.transpose(k, 1, 0)
    before = graph.module(graph.project(x, turned))
    assert stems(moved(before, context)) == ["transpose", "project"]


@pytest.mark.parametrize(("rows", "absorbed"), [(1, True), (2, True), (3, False)])
def test_few_rows_are_summed_along_memory(rows: int, absorbed: bool, context: PassContext, same_meaning: Same) -> None:
    """A decode step: one query against keys that are stored row by row."""
    graph = Graph()
    x, k = graph.param(rows, 8), graph.param(N, 8)
    before = graph.module(graph.project(x, graph.transpose(k, 1, 0)))
    after = moved(before, context)
    assert stems(after) == (["project"] if absorbed else ["transpose", "project"])
    same_meaning(before, after, n=5, tolerance=1e-5)


def test_copies_of_copies_are_one(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    x = graph.param(2, 3, 8)
    heads = graph.transpose(graph.reshape(x, 2, 3, 2, 4), 0, 2, 1, 3)
    turned = graph.transpose(graph.reshape(heads, 4, 3, 4), 0, 2, 1)
    before = graph.module(graph.reshape(turned, 2, 2, 4, 3))
    after = moved(before, context)
    assert stems(after) == ["copy"]
    same_meaning(before, after)


@pytest.mark.parametrize(("groups", "size"), [(4, 7), (3, 5), (2, 8)])
def test_a_channel_shuffle_is_one_copy(groups: int, size: int, context: PassContext, same_meaning: Same) -> None:
    """Channels last and back around a shuffle: its axis is split where the indices take it apart."""
    graph = Graph()
    channels = groups * size
    x = graph.scale(graph.param(N, 3, 2, channels))
    y = graph.reshape(graph.transpose(x, 0, 3, 1, 2), N, groups, size, 3, 2)
    y = graph.reshape(graph.transpose(y, 0, 2, 1, 3, 4), N, channels, 3, 2)
    y = graph.call("window", (N, 3, 2, channels), [graph.transpose(y, 0, 2, 3, 1)], lambda a, *at: a[at] * a[at])
    before = graph.module(y)
    after = moved(before, context)
    assert stems(after) == ["scale", "copy", "window"]
    same_meaning(before, after, n=2)


def test_shared_heads_are_not_repeated(context: PassContext, same_meaning: Same) -> None:
    """Four query heads share two key heads: the repetition is absorbed although it divides the index of the head."""
    graph = Graph()
    q, k = graph.param(N, 4, M, 8), graph.param(N, 2, M, 8)
    repeated = graph.call("repeat", (N, 4, M, 8), [k], lambda a, n, h, i, d: a[n, h // 2, i, d])
    before = graph.module(
        graph.call(
            "scores", (N, 4, M, M), [q, repeated], lambda a, b, n, h, i, j, d: a[n, h, i, d] * b[n, h, j, d], (8,)
        )
    )
    after = moved(before, context)
    assert stems(after) == ["scores"]
    same_meaning(before, after, n=2, m=3, tolerance=1e-5)


def test_a_residual_meets_the_product(context: PassContext, same_meaning: Same) -> None:
    """A product of flattened rows, its bias, and a residual in the unflattened shape become one function."""
    graph = Graph()
    x, w, bias = graph.param(N, M, 8), graph.param(8, 6), graph.param(6)
    residual = graph.param(N, M, 6)
    product = graph.project(graph.reshape(x, N * M, 8), w)
    shaped = graph.reshape(product, N, M, 6)
    biased = graph.call("bias", (N, M, 6), [shaped, bias], lambda a, b, n, i, j: a[n, i, j] + b[j])
    added = graph.call("add", (N, M, 6), [biased, residual], lambda a, b, *at: a[at] + b[at])
    before = graph.module(graph.scale(added))
    after = Fuse().run(moved(before, context), context)
    assert sorted(stems(after)) == ["project", "reinterpret", "reinterpret", "reinterpret", "scale"]
    same_meaning(before, after, n=2, m=3, tolerance=1e-5)


def test_values_with_other_uses_and_places_stay(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    x, w = graph.param(N, 8), graph.param(8, 6)
    product = graph.project(x, w)
    turned = graph.transpose(product, 1, 0)
    before = graph.module(graph.scale(turned), product)
    after = SinkCopies().run(before, context)
    assert stems(after) == stems(before)
    graph = Graph()
    product = graph.project(graph.param(4, 8), graph.param(8, 6))
    turned = graph.transpose(product, 1, 0)
    placed = graph.call("place", (6, 4), [turned], lambda a, i, j: a[i, j] * i.astype(FLOAT32))
    before = graph.module(placed)
    assert stems(SinkCopies().run(before, context)) == stems(before)
    graph = Graph()
    past = graph.param(2, 3, 4)
    scaled = graph.scale(graph.transpose(past, 0, 2, 1))
    before = graph.module(scaled)
    assert stems(SinkCopies().run(before, context)) == stems(before), "a parameter is computed by nothing"


@given(
    order=st.permutations(range(4)),
    sizes=st.tuples(*[st.sampled_from([1, 2, 3])] * 4),
    other=st.sampled_from(["none", "scalar", "last", "whole"]),
    view=st.booleans(),
)
@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_movement_between_products_and_elementwise_functions(
    order: list[int],
    sizes: tuple[int, ...],
    other: str,
    view: bool,
    context: PassContext,
    same_meaning: Same,
) -> None:
    graph = Graph()
    rows, columns = sizes[0] * sizes[1], sizes[2] * sizes[3]
    product = graph.project(graph.param(rows, 5), graph.param(5, columns))
    value = graph.reshape(product, *sizes)
    value = value if view else graph.transpose(value, *order)
    shape = value.tensor.dims
    match other:
        case "none":
            value = graph.scale(value)
        case "scalar":
            value = graph.call("add", shape, [value, graph.param(1)], lambda a, b, *at: a[at] + b[Const(0)])
        case "last":
            value = graph.call("add", shape, [value, graph.param(shape[-1])], lambda a, b, *at: a[at] + b[at[-1]])
        case _:
            value = graph.call("add", shape, [value, graph.param(*shape)], lambda a, b, *at: a[at] + b[at])
    flat = graph.reshape(value, rows, columns)
    before = graph.module(graph.project(flat, graph.param(columns, 4)))
    after = moved(before, context)
    same_meaning(before, after, tolerance=1e-4)
    same_meaning(before, Fuse().run(after, context), tolerance=1e-4)


@pytest.mark.parametrize("length", [1, 5])
def test_whole_attention_of_any_length(length: int, context: PassContext) -> None:
    before = attention(3, 2, scaled=False)
    after = Fuse().run(moved(before, context), context)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in ((2, length, 6), (6, 6), (6, 6))]
    (found,), (expected,) = run_graph(after, inputs, {}), run_graph(before, inputs, {})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
