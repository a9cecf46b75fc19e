"""``graph.split_constant_stages``: what depends on constants only becomes its own call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tondo.ir import (
    FLOAT32,
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
    dims,
    intrin,
)
from tondo.passes import PassContext
from tondo_passes.graph.fold_constants import FoldConstants
from tondo_passes.graph.split_constant_stages import SplitConstantStages

Same = Callable[..., None]
N, P = Var("n"), Var("p")


def tensor(*shape: Expr | int) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def norm() -> TensorFunction:
    builder = Compute("norm")
    x = builder.input("x", tensor(P, 4))
    scale, var = builder.input("scale", tensor(4)), builder.input("var", tensor(4))
    root = builder.compute("root", (4,), lambda c: intrin("sqrt", var[c]))
    a = builder.compute("a", (4,), lambda c: scale[c] / root[c])
    top = builder.reduce("top", (P,), (4,), lambda i, k: x[i, k], "max")
    return builder.build(builder.compute("y", (P, 4), lambda i, c: x[i, c] * a[c] + root[c] - top[i]))


def graph(function: TensorFunction, times: int = 1) -> IRModule:
    values = [GraphVar(name, tensor(N, 4)) for name in ("x", "norm_a", "y", "z")][: times + 1]
    data = {
        "scale": ConstantData(np.arange(4, dtype=np.float32)),
        "var": ConstantData(np.array([1, 4, 9, 2], np.float32)),
    }
    refs = [ConstantRef(name, item.type) for name, item in data.items()]
    bindings = tuple(
        Binding((values[i + 1],), CallDps("norm", (values[i], *refs), (N,)), f"layer{i}") for i in range(times)
    )
    return IRModule.of(GraphFunction("main", (values[0],), bindings, (values[-1],)), function, constants=data)


def called(module: IRModule) -> list[str]:
    return [binding.operation.function for binding in module.graph().bindings if isinstance(binding.operation, CallDps)]


def test_splits_and_folds(context: PassContext, same_meaning: Same) -> None:
    before = graph(norm())
    after = SplitConstantStages().run(before, context)
    assert called(after) == ["norm_constant", "norm_constant_1", "norm_1"]
    assert after.graph().bindings[-1].source == "layer0"
    assert [buffer.name for buffer in after.tensor("norm_1").input_buffers] == ["x", "root", "a"]
    same_meaning(before, after, n=3)
    folded = FoldConstants().run(after, context)
    assert called(folded) == ["norm_1"]
    same_meaning(before, folded, n=3)
    assert SplitConstantStages().run(after, context) == after


def test_equal_uses_share_functions_and_values_have_fresh_names(context: PassContext, same_meaning: Same) -> None:
    before = graph(norm(), times=3)
    after = SplitConstantStages().run(before, context)
    assert len([function for function in after.functions if function.startswith("norm")]) == 4
    names = [var.name for binding in after.graph().bindings for var in binding.vars]
    assert len(names) == len(set(names)) == 9
    same_meaning(before, after, n=2)


def test_large_stages_and_functions_of_constants_stay(context: PassContext) -> None:
    before = graph(norm())
    assert SplitConstantStages(max_elements=3).run(before, context) == before
    main = before.graph()
    refs = [ConstantRef("x", tensor(2, 4)), *(arg for arg in main.bindings[0].operation.args[1:])]
    y = GraphVar("y", tensor(2, 4))
    data = {**before.constants, "x": ConstantData(np.ones((2, 4), np.float32))}
    binding = Binding((y,), CallDps("norm", tuple(refs), dims((2,))))
    only = IRModule.of(GraphFunction("main", (), (binding,), (y,)), norm(), constants=data)
    assert SplitConstantStages().run(only, context) == only


def test_several_results_stay(context: PassContext) -> None:
    builder = Compute("two")
    x, c = builder.input("x", tensor(4)), builder.input("c", tensor(4))
    a = builder.compute("a", (4,), lambda i: c[i] * 2.0)
    y = builder.compute("y", (4,), lambda i: x[i] * a[i])
    two = builder.build(y, builder.compute("z", (4,), lambda i: x[i] + a[i]))
    value = [GraphVar(name, tensor(4)) for name in "xyz"]
    data = {"c": ConstantData(np.ones(4, np.float32))}
    binding = Binding(tuple(value[1:]), CallDps("two", (value[0], ConstantRef("c", tensor(4)))))
    before = IRModule.of(GraphFunction("main", (value[0],), (binding,), tuple(value[1:])), two, constants=data)
    assert SplitConstantStages().run(before, context) == before
