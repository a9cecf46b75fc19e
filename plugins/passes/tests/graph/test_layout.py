"""``graph.layout``: arrangements by wishes, over whole graphs; the meaning and the names of results stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

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
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    const,
    dims,
    select,
)
from tondo.passes import Miss, PassContext, RuleContext
from tondo.script import parse
from tondo.target import Target
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.fold_constants import FoldConstants
from tondo_passes.graph.layout import Layout
from tondo_schedule.facts import stages_of
from tondo_schedule.layout import IndexMap, LayoutWish, Part

Same = Callable[..., None]
N, P = Var("n"), Var("p")
CHANNELS_LAST = IndexMap.permutation((0, 2, 3, 1))
PACKED = IndexMap((Part(0, "outer", 4), Part(2), Part(3), Part(1), Part(0, "inner", 4)))


@dataclass(frozen=True)
class Rule:
    """A rule of somebody: convolutions want channels last and packed weights."""

    name: str = "test.conv"
    priority: int = 0
    result: IndexMap = CHANNELS_LAST
    operand: IndexMap = CHANNELS_LAST

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        del function, context
        return Miss("a rule for layouts only")

    def wishes(self, function: TensorFunction, target: Target) -> Sequence[LayoutWish]:
        del target
        stages = stages_of(function)
        if not stages or all(stage.contraction is None for stage in stages) or function.output_buffers[0].rank != 4:
            return ()
        return (LayoutWish(0, self.operand), LayoutWish(1, PACKED), LayoutWish(2, self.result))


def tensor(*shape: Expr | int) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def image(channels: int, size: Expr | int = 6, batch: Expr | int = P) -> TensorType:
    return tensor(batch, channels, size, size)


def conv(inputs: int, outputs: int) -> TensorFunction:
    """A padded 3x3 convolution in two stages."""
    builder = Compute(f"conv_{inputs}_{outputs}")
    x, w = builder.input("x", image(inputs)), builder.input("w", tensor(outputs, inputs, 3, 3))

    def padded(n: Expr, c: Expr, i: Expr, j: Expr) -> Expr:
        inside = (i >= 1) & (i < 7) & (j >= 1) & (j < 7)
        return select(inside, x[n, c, i - 1, j - 1], const(0.0))

    p = builder.compute("padded", (P, inputs, 8, 8), padded)
    value = builder.reduce(
        "y", image(outputs).dims, (inputs, 3, 3), lambda n, o, i, j, c, u, v: p[n, c, i + u, j + v] * w[o, c, u, v]
    )
    return builder.build(value)


def relu() -> TensorFunction:
    builder = Compute("relu")
    x = builder.input("x", image(8))
    return builder.build(builder.compute("y", image(8).dims, lambda *i: Binary("max", const(0.0), x[i])))


def plus() -> TensorFunction:
    builder = Compute("plus")
    x, y = builder.input("x", image(8)), builder.input("y", image(8))
    return builder.build(builder.compute("z", image(8).dims, lambda *i: x[i] + y[i]))


def bias() -> TensorFunction:
    builder = Compute("bias")
    x, b = builder.input("x", image(8)), builder.input("b", tensor(1, 8, 1, 1))
    return builder.build(builder.compute("y", image(8).dims, lambda n, c, i, j: x[n, c, i, j] + b[0, c, 0, 0]))


def pool() -> TensorFunction:
    builder = Compute("pool")
    x = builder.input("x", image(8))
    value = builder.reduce("y", image(8, 3).dims, (2, 2), lambda n, c, i, j, u, v: x[n, c, i * 2 + u, j * 2 + v], "max")
    return builder.build(value)


def flat() -> TensorFunction:
    builder = Compute("flat")
    x = builder.input("x", image(8))
    value = builder.reduce("y", (P, 8), (6, 6), lambda n, c, i, j: x[n, c, i, j])
    return builder.build(value)


LIBRARY = {f.name: f for f in (conv(3, 8), conv(8, 8), relu(), plus(), bias(), pool(), flat())}


class Graph:
    def __init__(self) -> None:
        self.x = GraphVar("x", image(3, batch=N))
        self.bindings: list[Binding] = []
        self.constants: dict[str, ConstantData] = {}

    def weights(self, *shape: int) -> ConstantRef:
        name = f"w{len(self.constants)}"
        array = np.random.default_rng(len(self.constants)).standard_normal(shape).astype(np.float32)
        self.constants[name] = ConstantData(array)
        return ConstantRef(name, self.constants[name].type)

    def call(self, name: str, *args: GraphVar | ConstantRef) -> GraphVar:
        callee = LIBRARY[name]
        shape = tuple(N if extent == P else extent for extent in callee.output_buffers[0].shape)
        made = GraphVar(f"v{len(self.bindings)}", TensorType(shape, FLOAT32))
        self.bindings.append(Binding((made,), CallDps(name, tuple(args), (N,)), f"node {len(self.bindings)}"))
        return made

    def module(self, *results: GraphVar) -> IRModule:
        main = GraphFunction("main", (self.x,), tuple(self.bindings), results)
        return IRModule.of(main, *LIBRARY.values(), constants=self.constants)


@pytest.fixture
def wishing(context: PassContext) -> PassContext:
    return replace(context, rules={"test.conv": Rule()})


def called(result: IRModule) -> list[str]:
    return [b.operation.function for b in result.graph().bindings if isinstance(b.operation, CallDps)]


def copies(result: IRModule) -> int:
    return sum(name.startswith(("relayout", "restore")) for name in called(result))


def residual() -> Graph:
    graph = Graph()
    first = graph.call("relu", graph.call("conv_3_8", graph.x, graph.weights(8, 3, 3, 3)))
    second = graph.call("bias", graph.call("conv_8_8", first, graph.weights(8, 8, 3, 3)), graph.weights(1, 8, 1, 1))
    graph.call("relu", graph.call("plus", second, first))
    return graph


def test_residual_graph(wishing: PassContext, same_meaning: Same) -> None:
    graph = residual()
    before = graph.module(graph.bindings[-1].vars[0])
    after = Layout().run(before, wishing)
    same_meaning(before, after, n=2, tolerance=1e-4)
    # Copied are the input, the two weights and the result; everything between stays channels last.
    assert copies(after) == 4
    assert [atom.name for atom in after.graph().results] == ["v5"]
    folded = DeadCode().run(FoldConstants().run(after, wishing), wishing)
    assert copies(folded) == 2
    packed = [data.array.shape for data in folded.constants.values()]
    assert sorted(packed) == [(1, 8, 1, 1), (2, 3, 3, 3, 4), (2, 3, 3, 8, 4)]
    same_meaning(before, folded, n=2, tolerance=1e-4)
    assert [binding.source for binding in after.graph().bindings if binding.source] == [f"node {i}" for i in range(6)]


def test_arranged_shapes(wishing: PassContext) -> None:
    graph = residual()
    after = Layout().run(graph.module(graph.bindings[-1].vars[0]), wishing)
    shapes = {binding.var.name: binding.var.tensor.dims for binding in after.graph().bindings}
    assert shapes["v0_arranged"] == dims((N, 6, 6, 8))
    assert shapes["v4_arranged"] == dims((N, 6, 6, 8))
    assert shapes["v5"] == dims((N, 8, 6, 6))


def test_pooling_passes_on_and_others_absorb(wishing: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    value = graph.call("conv_3_8", graph.x, graph.weights(8, 3, 3, 3))
    pooled, flattened = graph.call("pool", value), graph.call("flat", value)
    before = graph.module(pooled, flattened)
    after = Layout().run(before, wishing)
    same_meaning(before, after, n=2, tolerance=1e-4)
    assert copies(after) == 3  # input, weights, and the pooled result at the end
    assert [atom.name for atom in after.graph().results] == [pooled.name, flattened.name]


def test_a_plain_value_beside_an_arranged_one_is_copied_once(wishing: PassContext, same_meaning: Same) -> None:
    graph = Graph()
    other = GraphVar("other", image(8, batch=N))
    value = graph.call("conv_3_8", graph.x, graph.weights(8, 3, 3, 3))
    one = graph.call("plus", value, other)
    two = graph.call("plus", other, one)
    module = graph.module(two)
    before = module.with_functions([replace(module.graph(), params=(graph.x, other))])
    after = Layout().run(before, wishing)
    assert called(after).count(next(name for name in called(after) if name.startswith("relayout"))) == 1
    assert copies(after) == 4
    same_meaning(before, after, n=2, tolerance=1e-4)


def test_what_is_no_loop_nest_gets_plain_values(wishing: PassContext, same_meaning: Same) -> None:
    text = """
@tensor_function
def bare(p: "int64", x: Buffer((p, 8, 6, 6)), y: Buffer((p, 8, 6, 6))):
    for i in serial(p):
        for c in serial(8):
            for j in serial(6):
                for k in serial(6):
                    y[i, c, j, k] = x[i, c, j, k]
"""
    graph = Graph()
    value = graph.call("conv_3_8", graph.x, graph.weights(8, 3, 3, 3))
    bare = GraphVar("z", image(8, batch=N))
    graph.bindings.append(Binding((bare,), CallDps("bare", (value,), (N,))))
    before = graph.module(bare, value).with_functions(parse(text).functions.values())
    after = Layout().run(before, wishing)
    same_meaning(before, after, n=2, tolerance=1e-4)
    assert "bare" in called(after)


def test_values_in_regions_are_plain(wishing: PassContext) -> None:
    graph = Graph()
    value = graph.call("conv_3_8", graph.x, graph.weights(8, 3, 3, 3))
    flag, y = GraphVar("flag", TensorType((), FLOAT32)), GraphVar("y", image(8, batch=N))
    region = GraphRegion((), (), (value,))
    graph.bindings.append(Binding((y,), IfRegion(flag, region, region)))
    after = Layout().run(graph.module(y), wishing)
    *_, plain, last = after.graph().bindings
    assert plain.vars == (value,)
    assert last.operation == IfRegion(flag, region, region)


def test_wishes_that_cannot_be_followed_are_passed_over(context: PassContext, same_meaning: Same) -> None:
    """Blocks of 5 do not divide 8 channels: a reduction cannot yield them."""
    blocks = IndexMap.blocked((0, 2, 3), 1, 5)
    graph = residual()
    before = graph.module(graph.bindings[-1].vars[0])
    after = Layout().run(before, replace(context, rules={"test.conv": Rule(result=blocks)}))
    assert after.graph() == before.graph()
    same_meaning(before, after, n=1)


@pytest.mark.parametrize("block", [2, 4])
def test_blocked_results(block: int, context: PassContext, same_meaning: Same) -> None:
    blocks = IndexMap.blocked((0, 2, 3), 1, block)
    graph = residual()
    before = graph.module(graph.bindings[-1].vars[0], graph.bindings[0].vars[0])
    after = Layout().run(before, replace(context, rules={"test.conv": Rule(result=blocks)}))
    assert after.graph() != before.graph()
    assert [atom.name for atom in after.graph().results] == ["v5", "v0"]
    same_meaning(before, after, n=2, tolerance=1e-4)


def test_without_rules_nothing_happens(context: PassContext) -> None:
    graph = residual()
    before = graph.module(graph.bindings[-1].vars[0])
    assert Layout().run(before, context) is before
    assert (Layout.name, Layout.requires, Layout.ensures) == ("graph.layout", {"defined"}, {"defined"})
