"""``graph.hoist_scale``: a factor of an operand is a factor of the product."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tondo.ir import (
    FLOAT32,
    Binding,
    CallDps,
    Compute,
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
)
from tondo.passes import PassContext
from tondo_passes.graph.fuse import Fuse
from tondo_passes.graph.hoist_scale import HoistScale

Same = Callable[..., None]
N, HALF = Var("n"), dtype("float16")


def tensor(*shape: Expr | int, kind: DType = FLOAT32) -> TensorType:
    return TensorType(dims(shape), kind)


def unary(name: str, kind: TensorType, value: Callable[[Expr, Expr], Expr]) -> TensorFunction:
    builder = Compute(name)
    x = builder.input("x", kind)
    return builder.build(builder.compute("y", kind.dims, lambda i, j: value(x[i, j], j)))


def product(kind: DType = FLOAT32, start: float = 0.0) -> TensorFunction:
    builder = Compute("product")
    a, b = builder.input("a", tensor(N, 8, kind=kind)), builder.input("b", tensor(6, 8, kind=kind))
    made = builder.reduce("y", (N, 6), (8,), lambda i, j, k: a[i, k] * b[j, k], init=const(start, kind))
    return builder.build(made)


def module(
    value: Callable[[Expr, Expr], Expr], *, kind: DType = FLOAT32, start: float = 0.0, shared: bool = False
) -> IRModule:
    """``a @ (value(b)).T``; with ``shared`` the scaled operand is a result as well."""
    a, b = GraphVar("a", tensor(N, 8, kind=kind)), GraphVar("b", tensor(6, 8, kind=kind))
    t, y = GraphVar("t", b.type), GraphVar("y", tensor(N, 6, kind=kind))
    bindings = (Binding((t,), CallDps("scaled", (b,))), Binding((y,), CallDps("product", (a, t), (N,))))
    results = (y, t) if shared else (y,)
    scaled = unary("scaled", b.tensor, value)
    return IRModule.of(GraphFunction("main", (a, b), bindings, results), scaled, product(kind, start))


def arguments(made: IRModule) -> tuple[str, ...]:
    call = next(
        binding.operation
        for binding in made.graph().bindings
        if isinstance(binding.operation, CallDps) and binding.operation.function == "product"
    )
    return tuple(arg.name for arg in call.args)


def test_the_factor_of_a_parameter_moves(context: PassContext, same_meaning: Same) -> None:
    before = module(lambda x, _: x * 0.25)
    after = HoistScale().run(before, context)
    assert arguments(after) == ("a", "b")
    same_meaning(before, after, n=3, tolerance=1e-6)
    assert len(Fuse().run(after, context).graph().bindings) == 2, "the dead call and the product with its epilogue"


def test_factors_of_both_operands_meet(context: PassContext, same_meaning: Same) -> None:
    a, b = GraphVar("a", tensor(N, 8)), GraphVar("b", tensor(6, 8))
    s, t, y = GraphVar("s", a.type), GraphVar("t", b.type), GraphVar("y", tensor(N, 6))
    bindings = (
        Binding((s,), CallDps("half", (a,), (N,))),
        Binding((t,), CallDps("third", (b,))),
        Binding((y,), CallDps("product", (s, t), (N,))),
    )
    before = IRModule.of(
        GraphFunction("main", (a, b), bindings, (y,)),
        unary("half", a.tensor, lambda x, _: x * 0.5),
        unary("third", b.tensor, lambda x, _: const(0.3) * x),
        product(),
    )
    after = HoistScale().run(before, context)
    assert arguments(after) == ("a", "b")
    same_meaning(before, after, n=2, tolerance=1e-6)


@pytest.mark.parametrize(
    "before",
    [
        module(lambda x, _: x + 0.25),
        module(lambda x, j: x * j.astype(FLOAT32)),
        module(lambda x, _: x * 0.25, start=1.0),
        module(lambda x, _: x * 0.25, shared=True),
        module(lambda x, _: x * const(0.25, HALF), kind=HALF),
    ],
    ids=["sum", "by place", "start", "shared", "narrow"],
)
def test_refused(before: IRModule, context: PassContext) -> None:
    assert arguments(HoistScale().run(before, context)) == ("a", "t")


def test_what_is_computed_for_the_product_alone_keeps_its_factor(context: PassContext) -> None:
    """It is free there: an epilogue of whatever computes the operand."""
    a, b = GraphVar("a", tensor(N, 8)), GraphVar("b", tensor(6, 8))
    r, t, y = GraphVar("r", b.type), GraphVar("t", b.type), GraphVar("y", tensor(N, 6))
    bindings = (
        Binding((r,), CallDps("plus", (b,))),
        Binding((t,), CallDps("half", (r,))),
        Binding((y,), CallDps("product", (a, t), (N,))),
    )
    before = IRModule.of(
        GraphFunction("main", (a, b), bindings, (y,)),
        unary("plus", b.tensor, lambda x, _: x + 1.0),
        unary("half", b.tensor, lambda x, _: x * 0.5),
        product(),
    )
    assert arguments(HoistScale().run(before, context)) == ("a", "t")
