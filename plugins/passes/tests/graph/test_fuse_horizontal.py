"""``graph.fuse_horizontal``: parallel products become one, and what follows all of them alike follows once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tondo.ir import (
    FLOAT32,
    Atom,
    Binding,
    CallDps,
    Compute,
    Const,
    ConstantData,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    cast,
    dims,
)
from tondo.passes import Miss, PassContext, RuleContext
from tondo.target import Target
from tondo_passes.graph.columns import columns_of
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.fuse_horizontal import FuseHorizontal
from tondo_schedule.facts import Stage

Same = Callable[..., None]
N, P = Var("n"), Var("p")
DEPTH = 5


@dataclass
class Rule:
    """Notes what it is asked, and answers ``pays``."""

    name: str = "test.rule"
    priority: int = 1
    pays: bool = True
    asked: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])

    def combines(self, product: Stage, columns: Sequence[int], target: Target) -> bool:
        assert product.contraction is not None
        assert target.kind == "cpu"
        self.asked.append(tuple(columns))
        return self.pays

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        return Miss("only answers")


def tensor(*shape: Expr | int) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def product(columns: int, *, bias: bool = False, turned: bool = False, rows: Expr | int = P) -> TensorFunction:
    """``x[i, k] * w[k, c] (+ bias[c])``; ``turned``: stored and read with the columns first."""
    builder = Compute("product")
    x = builder.input("x", tensor(rows, DEPTH))
    w = builder.input("w", tensor(columns, DEPTH) if turned else tensor(DEPTH, columns))
    b = builder.input("b", tensor(columns)) if bias else None

    def term(i: Expr, j: Expr, k: Expr) -> Expr:
        return x[j, k] * w[i, k] if turned else x[i, k] * w[k, j]

    shape = (columns, rows) if turned else (rows, columns)
    total = builder.reduce("total", shape, (DEPTH,), term)
    if b is None:
        return builder.build(total)
    return builder.build(builder.compute("y", shape, lambda i, j: total[i, j] + b[i if turned else j]))


class Graph:
    """A graph function of calls, with constants."""

    def __init__(self) -> None:
        self.x = GraphVar("x", tensor(N, DEPTH))
        self.z = GraphVar("z", tensor(N, DEPTH))
        self.bindings: list[Binding] = []
        self.functions: dict[str, TensorFunction] = {}
        self.constants: dict[str, ConstantData] = {}

    def weights(self, *shape: int) -> ConstantRef:
        name = f"w{len(self.constants)}"
        array = np.random.default_rng(len(self.constants)).standard_normal(shape).astype(np.float32)
        self.constants[name] = ConstantData(array)
        return ConstantRef(name, self.constants[name].type)

    def call(self, function: TensorFunction, *args: Atom) -> GraphVar:
        name = f"{function.name}_{len(self.bindings)}"
        self.functions[name] = replace(function, name=name)
        shape = tuple(N if extent == P else extent for extent in function.output_buffers[0].shape)
        made = GraphVar(f"v{len(self.bindings)}", TensorType(shape, FLOAT32))
        self.bindings.append(Binding((made,), CallDps(name, args, (N,) * len(function.scalars)), name))
        return made

    def branch(self, columns: int, x: Atom | None = None) -> GraphVar:
        return self.call(product(columns), x or self.x, self.weights(DEPTH, columns))

    def module(self, *results: GraphVar) -> IRModule:
        main = GraphFunction("main", (self.x, self.z), tuple(self.bindings), results)
        return IRModule.of(main, *self.functions.values(), constants=self.constants)


def elementwise(columns: int, value: Callable[..., Expr], *others: TensorType) -> TensorFunction:
    builder = Compute("after")
    t = builder.input("t", tensor(P, columns))
    more = [builder.input(f"o{place}", kind) for place, kind in enumerate(others)]
    return builder.build(builder.compute("y", (P, columns), lambda i, j: value(t, i, j, *more)))


def called(module: IRModule) -> list[str]:
    return [
        binding.operation.function.rstrip("_0123456789")
        for binding in module.graph().bindings
        if isinstance(binding.operation, CallDps)
    ]


def run(module: IRModule, context: PassContext, rule: Rule | None = None) -> IRModule:
    rule = rule or Rule()
    return FuseHorizontal().run(module, replace(context, rules={rule.name: rule}))


@settings(
    derandomize=True,
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    columns=st.lists(st.integers(1, 7), min_size=2, max_size=4),
    bias=st.booleans(),
    turned=st.booleans(),
    rows=st.integers(1, 4),
)
def test_any_columns(
    columns: list[int], bias: bool, turned: bool, rows: int, context: PassContext, same_meaning: Same
) -> None:
    graph = Graph()
    results: list[GraphVar] = []
    for count in columns:
        weights = [graph.weights(count, DEPTH) if turned else graph.weights(DEPTH, count)]
        if bias:
            weights.append(graph.weights(count))
        results.append(graph.call(product(count, bias=bias, turned=turned), graph.x, *weights))
    before, rule = graph.module(*results), Rule()
    after = run(before, context, rule)
    assert rule.asked == [tuple(columns)]
    assert called(after) == ["product", *["part"] * len(columns)]
    assert after.graph().results == before.graph().results
    same_meaning(before, after, n=rows)


def test_what_follows_all_branches_follows_once(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    results: list[GraphVar] = []
    for count in (3, 4):
        made = graph.branch(count)
        biased = graph.call(
            elementwise(count, lambda t, i, j, b: t[i, j] + b[j], tensor(count)), made, graph.weights(count)
        )
        results.append(graph.call(elementwise(count, lambda t, i, j: t[i, j] * 0.5), biased))
    before = graph.module(*results)
    after = run(before, context)
    assert called(after) == ["product", "after", "after", "part", "part"]
    same_meaning(before, after, n=3)
    assert len(DeadCode().run(after, context).constants) == 2, "the joined weights and biases"


def test_what_differs_stays_apart(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    first = graph.call(elementwise(3, lambda t, i, j: t[i, j] * 0.5), graph.branch(3))
    second = graph.call(elementwise(4, lambda t, i, j: t[i, j] + 1.0), graph.branch(4))
    before = graph.module(first, second)
    after = run(before, context)
    assert called(after) == ["product", "part", "after", "part", "after"]
    same_meaning(before, after, n=2)


def test_a_part_that_has_other_readers_stays(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    branches = [graph.branch(3), graph.branch(4)]
    after_all = [
        graph.call(elementwise(count, lambda t, i, j: t[i, j] * 0.5), made)
        for count, made in zip((3, 4), branches, strict=True)
    ]
    before = graph.module(*after_all, branches[0])
    after = run(before, context)
    assert called(after) == ["product", "part", "part", "after", "after"]
    same_meaning(before, after, n=2)


def test_groups_by_operand(context: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    results = [graph.branch(count, x) for count, x in ((3, graph.x), (2, graph.z), (4, graph.x), (6, graph.z))]
    before, rule = graph.module(*results), Rule()
    after = run(before, context, rule)
    assert rule.asked == [(3, 4), (2, 6)]
    assert called(after).count("product") == 2
    same_meaning(before, after, n=2)


def test_refuses_what_the_rule_refuses_and_single_products(context: PassContext) -> None:
    graph = Graph()
    before = graph.module(graph.branch(3), graph.branch(4), graph.branch(5, graph.z))
    rule = Rule(pays=False)
    assert run(before, context, rule).graph() == before.graph()
    assert rule.asked == [(3, 4)]
    assert FuseHorizontal().run(before, context) is before, "no rule has an opinion"


def test_refuses_weights_that_are_computed(context: PassContext) -> None:
    graph = Graph()
    given_weights = graph.call(elementwise(3, lambda t, i, j: t[i, j] * 2.0), graph.branch(3))
    matrix = GraphVar("matrix", tensor(DEPTH, 3))
    results = [graph.call(product(3), graph.x, matrix), graph.call(product(3), graph.x, matrix)]
    module = graph.module(given_weights, *results)
    main = replace(module.graph(), params=(graph.x, graph.z, matrix))
    rule = Rule()
    run(module.with_functions([main]), context, rule)
    assert rule.asked == []


@pytest.mark.parametrize(
    "value",
    [
        lambda t, i, j: t[i, j] * cast(FLOAT32, j),
        lambda t, i, j: t[i, 0 * j],
        lambda t, i, j: t[i, 2 - j],
    ],
    ids=["the place counts", "one column for all", "another order"],
)
def test_columns_that_are_not_alike(value: Callable[..., Expr]) -> None:
    function = elementwise(3, value)
    assert columns_of(function, function.input_buffers[0], 1) is None


def test_a_number_of_columns_that_counts_refuses() -> None:
    builder = Compute("mean")
    t = builder.input("t", tensor(P, 4))
    total = builder.reduce("total", (P,), (4,), lambda i, k: t[i, k])
    function = builder.build(builder.compute("y", (P, 4), lambda i, j: t[i, j] - total[i]))
    assert columns_of(function, t, 1) is None


def test_an_unknown_number_of_columns_refuses() -> None:
    function = elementwise(3, lambda t, i, j: t[i, j] * 2.0)
    assert columns_of(function, function.input_buffers[0], 0) is None


def test_columns_of_several_stages() -> None:
    function = product(6, bias=True)
    columns = columns_of(function, function.input_buffers[1], 1)
    assert columns is not None
    assert (columns.inputs, columns.result, columns.extent) == ({1: 1, 2: 0}, 1, 6)
    wider = columns.with_extent(10)
    assert [buffer.shape[-1] for buffer in wider.buffers] == [Const(5), *[Const(10)] * 3]
