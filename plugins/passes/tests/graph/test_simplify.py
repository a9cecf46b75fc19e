"""``graph.simplify``: exact algebra, literals, copies that cancel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    Binary,
    Binding,
    CallDps,
    Cast,
    Compute,
    Const,
    ConstantData,
    ConstantRef,
    DType,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    const,
    dims,
    dtype,
    floordiv,
    floormod,
    intrin,
)
from tondo.passes import PassContext
from tondo.script import script
from tondo_passes.graph.simplify import SimplifyGraph

Same = Callable[..., None]
N, P = Var("n"), Var("p")
FLOAT16 = dtype("float16")


def tensor(*shape: Expr | int, kind: DType = FLOAT32) -> TensorType:
    return TensorType(dims(shape), kind)


def elementwise(value: Callable[..., Expr], *others: TensorType, kind: DType = FLOAT32) -> TensorFunction:
    """``y[i] = value(x[i], load of each other at its first element)`` over p elements."""
    builder = Compute("f")
    x = builder.input("x", tensor(P, kind=kind))
    more = [builder.input(f"o{i}", other) for i, other in enumerate(others)]
    loads = [item[tuple(0 for _ in item.shape)] for item in more]
    return builder.build(builder.compute("y", (P,), lambda i: value(x[i], *loads)))


def module(function: TensorFunction, constants: Sequence[np.ndarray] = (), kind: DType = FLOAT32) -> IRModule:
    x, y = GraphVar("x", tensor(N, kind=kind)), GraphVar("y", tensor(N, kind=kind))
    data = {f"c{i}": ConstantData(array) for i, array in enumerate(constants)}
    refs = [ConstantRef(name, item.type) for name, item in data.items()]
    main = GraphFunction("main", (x,), (Binding((y,), CallDps(function.name, (x, *refs), (N,))),), (y,))
    return IRModule.of(main, function, constants=data)


def called(result: IRModule) -> TensorFunction:
    (binding,) = result.graph().bindings
    assert isinstance(binding.operation, CallDps)
    return result.tensor(binding.operation.function)


def value_text(function: TensorFunction) -> str:
    return script(function).splitlines()[-1].strip().partition(" = ")[2]


F16_MIN = 2.0**-24


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda x: x * 1.0, "x[y_0]"),
        (lambda x: 1.0 * x, "x[y_0]"),
        (lambda x: x - 0.0, "x[y_0]"),
        (lambda x: x - -0.0, "x[y_0] - -0.0"),
        (lambda x: x + -0.0, "x[y_0]"),
        (lambda x: x + 0.0, "x[y_0] + 0.0"),
        (lambda x: x * 0.0, "x[y_0] * 0.0"),
        (lambda x: 0.0 - x, "0.0 - x[y_0]"),
        (lambda x: x / 1.0, "x[y_0]"),
        (lambda x: x / 4.0, "x[y_0] * 0.25"),
        (lambda x: x / -0.5, "x[y_0] * -2.0"),
        (lambda x: x / 3.0, "x[y_0] / 3.0"),
        (lambda x: x / 0.0, "x[y_0] / 0.0"),
        (lambda x: x / 2.0**-130, "x[y_0] / 7.346839692639297e-40"),
        (lambda x: intrin("pow", x, const(0.0)), "1.0"),
        (lambda x: intrin("pow", x, const(1.0)), "x[y_0]"),
        (lambda x: intrin("pow", x, const(2.0)), "x[y_0] * x[y_0]"),
        (lambda x: intrin("pow", x, const(0.5)), "pow(x[y_0], 0.5)"),
        (lambda x: x * Cast(FLOAT32, Const(3)), "x[y_0] * 3.0"),
        (lambda x: x * Cast(FLOAT32, Const((1 << 24) + 1)), 'x[y_0] * cast("float32", 16777217)'),
        (lambda x: (x * 1.0 + -0.0) / 2.0 - 0.0, "x[y_0] * 0.5"),
    ],
)
def test_algebra_is_exact(value: Callable[..., Expr], text: str, context: PassContext) -> None:
    before = module(elementwise(value))
    after = SimplifyGraph().run(before, context)
    assert value_text(called(after)) == text
    special = np.array([0.0, -0.0, 1.5, -3.25, np.inf, -np.inf, np.nan, 1e-45, 3.4e38], np.float32)
    one = run_tensor_function(called(before), [special])[0]
    other = run_tensor_function(called(after), [special])[0]
    np.testing.assert_array_equal(other, one)
    np.testing.assert_array_equal(np.signbit(other)[~np.isnan(other)], np.signbit(one)[~np.isnan(one)])


def test_reciprocals_and_numbers_must_fit_the_dtype(context: PassContext) -> None:
    before = module(elementwise(lambda x: x / F16_MIN, kind=FLOAT16), kind=FLOAT16)
    assert SimplifyGraph().run(before, context) == before
    before = module(elementwise(lambda x: x / 2.0**-14, kind=FLOAT16), kind=FLOAT16)
    assert value_text(called(SimplifyGraph().run(before, context))) == "x[y_0] * float16(16384.0)"
    before = module(elementwise(lambda x: x + Cast(FLOAT16, Const(2049)), kind=FLOAT16), kind=FLOAT16)
    assert SimplifyGraph().run(before, context) == before


def test_constants_of_one_element_become_literals(context: PassContext, same_meaning: Same) -> None:
    function = elementwise(lambda x, a, b: intrin("pow", x, a) * b, tensor(), tensor(1, 1))
    before = module(function, [np.array(2, np.float32), np.array([[1]], np.float32)])
    after = SimplifyGraph().run(before, context)
    (binding,) = after.graph().bindings
    assert binding.operation == CallDps("f_1", (GraphVar("x", tensor(N)),), (N,))
    assert value_text(after.tensor("f_1")) == "x[y_0] * x[y_0]"
    assert after.tensor("f_1").scalars == (P,)
    same_meaning(before, after, n=4)
    assert SimplifyGraph().run(after, context) == after


def test_equal_literals_share_a_function_and_others_do_not(context: PassContext, same_meaning: Same) -> None:
    function = elementwise(lambda x, a: x + a, tensor())
    data = {
        "a": ConstantData(np.array(1, np.float32)),
        "b": ConstantData(np.array(1, np.float32)),
        "c": ConstantData(np.array(-0.0, np.float32)),
    }
    values = [GraphVar(name, tensor(N)) for name in "xuvw"]
    bindings = tuple(
        Binding((values[i + 1],), CallDps("f", (values[i], ConstantRef(name, data[name].type)), (N,)))
        for i, name in enumerate(data)
    )
    before = IRModule.of(GraphFunction("main", (values[0],), bindings, (values[-1],)), function, constants=data)
    after = SimplifyGraph().run(before, context)
    names = [binding.operation.function for binding in after.graph().bindings if isinstance(binding.operation, CallDps)]
    assert names == ["f_1", "f_1", "f_2"]  # the last adds -0.0: a copy, but the result
    same_meaning(before, after, n=3)


def copy(
    shape: tuple[Expr | int, ...], source: tuple[Expr | int, ...], index: Callable[..., tuple[Expr, ...]], name: str
) -> TensorFunction:
    builder = Compute(name)
    x = builder.input("x", tensor(*source))
    return builder.build(builder.compute("y", shape, lambda *i: x[index(*i)]))


def graph_of(
    *steps: tuple[TensorFunction, tuple[Expr | int, ...], tuple[Expr, ...]], source: tuple[Expr | int, ...]
) -> IRModule:
    """``main`` applies the steps (function, shape of its result, scalars) and doubles the outcome."""
    values = [GraphVar("x", tensor(*source))]
    bindings: list[Binding] = []
    for i, (function, shape, scalars) in enumerate(steps):
        values.append(GraphVar(f"v{i}", tensor(*shape)))
        bindings.append(Binding((values[-1],), CallDps(function.name, (values[-2],), scalars)))
    main = GraphFunction("main", (values[0],), tuple(bindings), (values[-1],))
    return IRModule.of(main, *{function.name: function for function, _, _ in steps}.values())


Q = Var("q")
TURN = copy((Q, P), (P, Q), lambda i, j: (j, i), "turn")


def doubled() -> TensorFunction:
    builder = Compute("double")
    x = builder.input("x", tensor(P, Q))
    return builder.build(builder.compute("y", (P, Q), lambda i, j: x[i, j] * 2.0))


def kept(result: IRModule) -> list[str]:
    return [binding.operation.function for binding in result.graph().bindings if isinstance(binding.operation, CallDps)]


def test_two_transposes_cancel(context: PassContext, same_meaning: Same) -> None:
    """Their dimensions have other names in the graph, exchanged in the second call."""
    a, b = Var("a"), Var("b")
    before = graph_of((TURN, (b, a), (a, b)), (TURN, (a, b), (b, a)), (doubled(), (a, b), (a, b)), source=(a, b))
    after = SimplifyGraph().run(before, context)
    assert kept(after) == ["turn", "double"]  # the first one is dead now
    assert after.graph().bindings[-1].operation == CallDps("double", (GraphVar("x", tensor(a, b)),), (a, b))
    same_meaning(before, after, a=2, b=5)


def test_two_transposes_of_a_square_do_not_cancel_with_one(context: PassContext, same_meaning: Same) -> None:
    before = graph_of((TURN, (3, 3), dims((3, 3))), (doubled(), (3, 3), dims((3, 3))), source=(3, 3))
    after = SimplifyGraph().run(before, context)
    assert kept(after) == ["turn", "double"]
    same_meaning(before, after)


def test_reshapes_there_and_back_cancel(context: PassContext, same_meaning: Same) -> None:
    flat = copy((P * 6,), (P, 6), lambda i: (floordiv(i, 6), floormod(i, 6)), "flat")
    back = copy((P, 6), (P * 6,), lambda i, j: (i * 6 + j,), "back")
    builder = Compute("double")
    x = builder.input("x", tensor(P, 6))
    double = builder.build(builder.compute("y", (P, 6), lambda i, j: x[i, j] * 2.0))
    before = graph_of((flat, (N * 6,), (N,)), (back, (N, 6), (N,)), (double, (N, 6), (N,)), source=(N, 6))
    after = SimplifyGraph().run(before, context)
    assert kept(after) == ["flat", "double"]
    same_meaning(before, after, n=3)


def test_a_slice_is_not_a_copy_and_results_stay(context: PassContext, same_meaning: Same) -> None:
    cut = copy((4,), (8,), lambda i: (i,), "cut")
    before = graph_of((cut, (4,), ()), source=(8,))
    assert SimplifyGraph().run(before, context) == before
    same = copy((P, Q), (P, Q), lambda i, j: (i, j), "same")
    before = graph_of((same, (N, 2), dims((N, 2))), source=(N, 2))
    after = SimplifyGraph().run(before, context)
    assert kept(after) == ["same"]
    before = graph_of((same, (N, 2), dims((N, 2))), (doubled(), (N, 2), dims((N, 2))), source=(N, 2))
    after = SimplifyGraph().run(before, context)
    assert kept(after) == ["double"]
    same_meaning(before, after, n=2)


def test_integers_are_left_alone(context: PassContext) -> None:
    kind = dtype("int32")
    builder = Compute("f")
    x = builder.input("x", tensor(P, kind=kind))
    function = builder.build(builder.compute("y", (P,), lambda i: Binary("mul", x[i], Const(1, kind))))
    before = module(function, kind=kind)
    assert SimplifyGraph().run(before, context) == before
