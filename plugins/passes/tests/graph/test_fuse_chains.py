"""``graph.fuse_chains``: what is fused follows from uses and from what the rules ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tondo.ir import (
    FLOAT32,
    Atom,
    Binding,
    CallDps,
    Compute,
    ConstantData,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    dims,
    intrin,
)
from tondo.passes import Miss, PassContext, RuleContext
from tondo.target import Target
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.fuse_chains import FuseChains
from tondo_schedule.facts import row_chain_of, stages_of

Same = Callable[..., None]
N = Var("n")


@dataclass(frozen=True)
class Wanting:
    """A rule that wants row chains."""

    name: str = "test.chains"
    priority: int = 1
    asked: list[TensorFunction] = field(default_factory=list)

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        del function, context
        return Miss("it only wants")

    def fuses(self, function: TensorFunction, target: Target) -> bool:
        del target
        self.asked.append(function)
        return row_chain_of(stages_of(function) or ()) is not None


def tensor(*shape: int | Var) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def matmul() -> TensorFunction:
    """``a @ b.T`` over n columns."""
    builder = Compute("matmul")
    a, b = builder.input("a", tensor(6, 4)), builder.input("b", tensor(4, N))
    return builder.build(builder.reduce("y", (6, N), (4,), lambda i, j, k: a[i, k] * b[k, j]))


def weighted() -> TensorFunction:
    builder = Compute("weighted")
    a, b = builder.input("a", tensor(6, N)), builder.input("b", tensor(N, 4))
    return builder.build(builder.reduce("y", (6, 4), (N,), lambda i, j, k: a[i, k] * b[k, j]))


def softmax() -> TensorFunction:
    builder = Compute("softmax")
    x = builder.input("x", tensor(6, N))
    top = builder.reduce("top", (6,), (N,), lambda i, j: x[i, j], "max")
    e = builder.compute("e", (6, N), lambda i, j: intrin("exp", x[i, j] - top[i]))
    total = builder.reduce("total", (6,), (N,), lambda i, j: e[i, j])
    return builder.build(builder.compute("y", (6, N), lambda i, j: e[i, j] / total[i]))


def transpose() -> TensorFunction:
    builder = Compute("transpose")
    x = builder.input("x", tensor(N, 4))
    return builder.build(builder.compute("y", (4, N), lambda i, j: x[j, i]))


def add() -> TensorFunction:
    builder = Compute("add")
    x, m = builder.input("x", tensor(6, N)), builder.input("m", tensor(6, N))
    return builder.build(builder.compute("y", (6, N), lambda i, j: x[i, j] + m[i, j]))


FUNCTIONS = {made.name: made for made in (matmul(), weighted(), softmax(), transpose(), add())}


def graph(results: Sequence[str] = ("o",), weights: str | None = None) -> IRModule:
    """An attention of one head: k is turned, scores are masked."""
    values: dict[str, Atom] = {
        name: GraphVar(name, kind)
        for name, kind in {"q": tensor(6, 4), "k": tensor(N, 4), "v": tensor(N, 4), "m": tensor(6, N)}.items()
    }
    constants: dict[str, ConstantData] = {}
    if weights is not None:
        constants[weights] = ConstantData(np.ones((8, 4), np.float32))
        values[weights] = ConstantRef(weights, tensor(N, 4))
    params = tuple(value for value in values.values() if isinstance(value, GraphVar))
    bindings: list[Binding] = []
    steps = [
        ("t", "transpose", ("k",)),
        ("s", "matmul", ("q", "t")),
        ("x", "add", ("s", "m")),
        ("p", "softmax", ("x",)),
        ("o", "weighted", ("p", "v")),
    ]
    for name, function, args in steps:
        output = FUNCTIONS[function].output_buffers[0]
        var = GraphVar(name, TensorType(output.shape, output.dtype))
        values[name] = var
        bindings.append(
            Binding((var,), CallDps(function, tuple(values[arg] for arg in args), FUNCTIONS[function].scalars))
        )
    main = GraphFunction("main", params, tuple(bindings), tuple(values[name] for name in results))
    return IRModule.of(main, *FUNCTIONS.values(), constants=constants)


def fused(module: IRModule, context: PassContext, *rules: Wanting) -> IRModule:
    context = replace(context, rules={rule.name: rule for rule in rules})
    return DeadCode().run(FuseChains().run(module, context), context)


def names(module: IRModule) -> list[str]:
    return [item.operation.function for item in module.graph().bindings if isinstance(item.operation, CallDps)]


@pytest.mark.parametrize("n", [1, 5])
def test_one_function_from_product_to_product(n: int, context: PassContext, same_meaning: Same) -> None:
    module = graph()
    after = fused(module, context, Wanting())
    assert names(after) == ["matmul_add_softmax_weighted"]
    same_meaning(module, after, tolerance=1e-5, n=n)


def test_copies_of_keys_are_absorbed(context: PassContext) -> None:
    (binding,) = fused(graph(), context, Wanting()).graph().bindings
    assert isinstance(binding.operation, CallDps)
    assert [atom.name for atom in binding.operation.args] == ["q", "k", "m", "v"]


@pytest.mark.parametrize("other", ["s", "x", "p"])
def test_another_use_of_what_is_in_between_keeps_it(other: str, context: PassContext) -> None:
    module = graph(("o", other))
    assert names(fused(module, context, Wanting())) == names(module)


def test_products_with_weights_are_no_chain(context: PassContext) -> None:
    module = graph(weights="v")
    assert names(fused(module, context, Wanting())) == names(module)


def test_without_a_rule_that_asks_nothing_happens(context: PassContext) -> None:
    module = graph()
    assert fused(module, context) == module


def test_rules_see_the_whole_chain(context: PassContext) -> None:
    rule = Wanting()
    fused(graph(), context, rule)
    kinds = [stage.kind for stage in stages_of(rule.asked[0]) or ()]
    assert kinds == [
        "contraction",
        "elementwise",
        "reduction",
        "elementwise",
        "reduction",
        "elementwise",
        "contraction",
    ]
