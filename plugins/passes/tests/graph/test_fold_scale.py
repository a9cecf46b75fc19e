"""``graph.fold_scale``: what folds keeps its meaning; what the facts forbid stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tondo.ir import (
    FLOAT32,
    FLOAT64,
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
    intrin,
)
from tondo.passes import PassContext
from tondo_passes.graph.fold_scale import FoldScale

Same = Callable[..., None]
N, P = Var("n"), Var("p")
COUNT = 6


def tensor(*shape: Expr | int) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def matmul(init: float | None = None) -> TensorFunction:
    builder = Compute("matmul")
    x, w = builder.input("x", tensor(P, 8)), builder.input("w", tensor(8, COUNT))
    start = None if init is None else const(init)
    value = builder.reduce("y", (P, COUNT), (8,), lambda i, j, k: x[i, k] * w[k, j], init=start)
    return builder.build(value)


def conv() -> TensorFunction:
    builder = Compute("conv")
    x, w = builder.input("x", tensor(P, 3, 5, 5)), builder.input("w", tensor(COUNT, 3, 3, 3))
    value = builder.reduce(
        "y", (P, COUNT, 3, 3), (3, 3, 3), lambda b, o, i, j, c, u, v: x[b, c, i + u, j + v] * w[o, c, u, v]
    )
    return builder.build(value)


def batch_norm() -> TensorFunction:
    """In four stages, as an operator library may define it."""
    builder = Compute("batch_norm")
    kind = tensor(P, COUNT, 3, 3)
    x = builder.input("x", kind)
    scale, shift, mean, var = (builder.input(name, tensor(COUNT)) for name in ("scale", "shift", "mean", "var"))
    a = builder.compute("a", (COUNT,), lambda c: scale[c] / intrin("sqrt", var[c] + 1e-5))
    b = builder.compute("b", (COUNT,), lambda c: shift[c] - mean[c] * a[c])
    return builder.build(builder.compute("y", kind.dims, lambda n, c, i, j: x[n, c, i, j] * a[c] + b[c]))


def affine(value: Callable[..., Expr], *others: TensorType, kind: TensorType | None = None) -> TensorFunction:
    builder = Compute("after")
    x = builder.input("x", tensor(P, COUNT))
    more = [builder.input(f"c{i}", other) for i, other in enumerate(others)]
    made = builder.compute("y", (P, COUNT), lambda i, j: value(x, i, j, *more), None if kind is None else kind.dtype)
    return builder.build(made)


def graph(
    first: TensorFunction,
    second: TensorFunction,
    shapes: tuple[tuple[Expr | int, ...], tuple[Expr | int, ...]],
    constants: dict[str, np.ndarray],
    *,
    also: bool = False,
    weights_given: bool = False,
) -> IRModule:
    """``y = second(first(x, w), other constants)``; ``also``: the middle is a result too."""
    data = {name: ConstantData(array) for name, array in constants.items()}
    x = GraphVar("x", tensor(*shapes[0]))
    middle = GraphVar("t", tensor(*shapes[1]))
    y = GraphVar("y", TensorType(middle.tensor.dims, second.output_buffers[0].dtype))
    given = GraphVar("weights", data["w"].type)
    refs = {name: ConstantRef(name, item.type) for name, item in data.items()}
    weights = given if weights_given else refs["w"]
    rest = tuple(ref for name, ref in refs.items() if name != "w")
    bindings = (
        Binding((middle,), CallDps(first.name, (x, weights), (N,)), "contraction"),
        Binding((y,), CallDps(second.name, (middle, *rest), (N,) if second.scalars else ()), "scale"),
    )
    params = (x, given) if weights_given else (x,)
    main = GraphFunction("main", params, bindings, (y, middle) if also else (y,))
    return IRModule.of(main, first, second, constants=data)


def rng(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


SHAPES = ((N, 8), (N, COUNT))


def test_batch_norm_after_convolution(context: PassContext, same_meaning: Same) -> None:
    constants = {
        "w": rng(COUNT, 3, 3, 3),
        "scale": rng(6),
        "shift": rng(6),
        "mean": rng(6),
        "var": np.abs(rng(6)) + 0.5,
    }
    before = graph(conv(), batch_norm(), ((N, 3, 5, 5), (N, COUNT, 3, 3)), constants)
    after = FoldScale().run(before, context)
    first, second = after.graph().bindings
    assert first.operation == CallDps(
        "conv", (GraphVar("x", tensor(N, 3, 5, 5)), ConstantRef("w_scaled", tensor(COUNT, 3, 3, 3))), (N,)
    )
    assert isinstance(second.operation, CallDps)
    assert [arg.name for arg in second.operation.args] == ["t", "w_shift"]
    slope = constants["scale"].astype(np.float64) / np.sqrt(constants["var"].astype(np.float64) + 1e-5)
    expected = (constants["w"] * slope.reshape(6, 1, 1, 1)).astype(np.float32)
    np.testing.assert_array_equal(after.constants["w_scaled"].array, expected)
    same_meaning(before, after, n=2, tolerance=1e-4)
    assert FoldScale().run(after, context) == after


def test_a_scale_without_shift_disappears(context: PassContext, same_meaning: Same) -> None:
    before = graph(
        matmul(), affine(lambda x, i, j, c: x[i, j] * c[j], tensor(COUNT)), SHAPES, {"w": rng(8, 6), "c": rng(6)}
    )
    after = FoldScale().run(before, context)
    (binding,) = after.graph().bindings
    assert [var.name for var in binding.vars] == ["y"]
    same_meaning(before, after, n=3, tolerance=1e-5)


def test_chains_fold_one_after_the_other(context: PassContext, same_meaning: Same) -> None:
    module = graph(
        matmul(),
        affine(lambda x, i, j, c: x[i, j] * c[0, j], tensor(1, COUNT)),
        SHAPES,
        {"w": rng(8, 6), "c": rng(1, 6)},
    )
    again = affine(lambda x, i, j: (1.0 - x[i, j]) / 2.0 + 3.0)
    z = GraphVar("z", tensor(N, COUNT))
    main = module.graph()
    more = Binding((z,), CallDps("again", (main.results[0],), (N,)))
    main = GraphFunction("main", main.params, (*main.bindings, more), (z,))
    before = IRModule.of(
        main, *module.tensor_functions(), TensorFunction("again", again.params, again.body), constants=module.constants
    )
    after = FoldScale().run(before, context)
    assert len(after.graph().bindings) == 2
    same_meaning(before, after, n=3, tolerance=1e-5)


VECTOR = {"w": rng(8, 6), "c": rng(6)}


@pytest.mark.parametrize(
    ("second", "constants"),
    [
        (affine(lambda x, i, j, c: x[i, j] + c[j], tensor(COUNT)), VECTOR),
        (affine(lambda x, i, j, c: x[i, j] * x[i, j] * c[j], tensor(COUNT)), VECTOR),
        (affine(lambda x, i, j, c: c[j] / x[i, j], tensor(COUNT)), VECTOR),
        (affine(lambda x, i, j, c: intrin("exp", x[i, j]) * c[j], tensor(COUNT)), VECTOR),
        (affine(lambda x, i, j, c: x[0, j] * c[j], tensor(COUNT)), VECTOR),
        (
            affine(lambda x, i, j, c: x[i, j] * c[j], tensor(COUNT)),
            {"w": rng(8, 6), "c": np.array([1, 2, 0, 1, np.inf, 3], np.float32)},
        ),
        (
            affine(lambda x, i, j, c: x[i, j] * c[j], tensor(COUNT)),
            {"w": rng(8, 6) + 4, "c": np.full(6, 3e38, np.float32)},
        ),
        (affine(lambda x, i, j, c: x[i, j] / c[j], tensor(COUNT)), {"w": rng(8, 6), "c": np.zeros(6, np.float32)}),
        (
            affine(lambda x, i, j, c: (x[i, j] * c[j]).astype(FLOAT64), tensor(COUNT), kind=TensorType((), FLOAT64)),
            VECTOR,
        ),
    ],
    ids=[
        "shift only",
        "square",
        "reciprocal",
        "exp",
        "broadcast operand",
        "infinite",
        "overflow",
        "by zero",
        "other dtype",
    ],
)
def test_refused_by_the_second_call(
    second: TensorFunction, constants: dict[str, np.ndarray], context: PassContext
) -> None:
    before = graph(matmul(), second, SHAPES, constants)
    assert FoldScale().run(before, context) == before


def test_refused_where_the_scale_varies_along_rows(context: PassContext) -> None:
    builder = Compute("after")
    x, c = builder.input("x", tensor(3, COUNT)), builder.input("c", tensor(3))
    rows = builder.build(builder.compute("y", (3, COUNT), lambda i, j: x[i, j] * c[i]))
    before = graph(matmul(), rows, ((3, 8), (3, COUNT)), {"w": rng(8, 6), "c": rng(3)})
    assert FoldScale().run(before, context) == before


def test_refused_by_the_graph(context: PassContext) -> None:
    scale = affine(lambda x, i, j, c: x[i, j] * c[j], tensor(COUNT))
    before = graph(matmul(), scale, SHAPES, VECTOR, also=True)
    assert FoldScale().run(before, context) == before
    before = graph(matmul(), scale, SHAPES, VECTOR, weights_given=True)
    assert FoldScale().run(before, context) == before


def test_refused_where_the_contraction_does_not_start_at_zero(context: PassContext) -> None:
    scale = affine(lambda x, i, j, c: x[i, j] * c[j], tensor(COUNT))
    before = graph(matmul(1.0), scale, SHAPES, VECTOR)
    assert FoldScale().run(before, context) == before


def test_a_scale_passes_a_bias(context: PassContext, same_meaning: Same) -> None:
    """Product, bias, scale and shift, one more shift: scaled weights and one shift are left."""
    constants = {name: ConstantData(array) for name, array in {"w": rng(8, 6), "b": rng(6), "c": rng(1, 6)}.items()}
    refs = {name: ConstantRef(name, data.type) for name, data in constants.items()}
    steps = {
        "bias": (affine(lambda x, i, j, b: x[i, j] + b[j], tensor(COUNT)), (refs["b"],)),
        "norm": (affine(lambda x, i, j, c: x[i, j] * c[0, j] + 2.0, tensor(1, COUNT)), (refs["c"],)),
        "more": (affine(lambda x, i, j, b: x[i, j] - b[j], tensor(COUNT)), (refs["b"],)),
    }
    x = GraphVar("x", tensor(N, 8))
    value = GraphVar("t", tensor(N, COUNT))
    bindings = [Binding((value,), CallDps("matmul", (x, refs["w"]), (N,)))]
    functions = [matmul()]
    for name, (function, more) in steps.items():
        functions.append(TensorFunction(name, function.params, function.body))
        made = GraphVar(f"v_{name}", tensor(N, COUNT))
        bindings.append(Binding((made,), CallDps(name, (value, *more), (N,))))
        value = made
    main = GraphFunction("main", (x,), tuple(bindings), (value,))
    before = IRModule.of(main, *functions, constants=constants)
    after = FoldScale().run(before, context)
    used = [arg.name for b in after.graph().bindings for arg in b.operation.args]
    assert used[1::2] == ["w_scaled", "w_scaled_shift"]
    b, c = constants["b"].array.astype(np.float64), constants["c"].array[0].astype(np.float64)
    np.testing.assert_allclose(after.constants["w_scaled_shift"].array, b * c + 2.0 - b, rtol=1e-6)
    same_meaning(before, after, n=3, tolerance=1e-4)
    assert FoldScale().run(after, context) == after


def test_other_uses_of_the_weights_keep_them(context: PassContext, same_meaning: Same) -> None:
    module = graph(matmul(), affine(lambda x, i, j, c: x[i, j] * c[j], tensor(COUNT)), SHAPES, VECTOR)
    main = module.graph()
    other = GraphVar("other", tensor(N, COUNT))
    first = main.bindings[0].operation
    main = GraphFunction("main", main.params, (*main.bindings, Binding((other,), first)), (*main.results, other))
    before = module.with_functions([main])
    after = FoldScale().run(before, context)
    assert after != before
    same_meaning(before, after, n=2, tolerance=1e-5)


def test_declared() -> None:
    assert (FoldScale.name, FoldScale.requires, FoldScale.ensures) == ("graph.fold_scale", {"defined"}, {"defined"})
