"""Definitions of operators whose dimensions are called like what the definition introduces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    Attrs,
    Compute,
    Expr,
    IRModule,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    Var,
    add,
    dims,
)
from tondo.passes.verify import verify
from tondo.script import parse, script


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    return (call.args[0],)


def _shifted(call: OpCall) -> TensorFunction:
    """``y[i, j] = a[i, j] + sum(b[j, k] for k) + shift``, its names chosen without a look at the dimensions."""
    builder = Compute("shifted")
    a, b = builder.input("a", call.args[0]), builder.input("b", call.args[1])
    shift = call.attrs["shift"]
    assert isinstance(shift, Expr)
    t = builder.reduce("t", b.shape[:1], b.shape[1:], lambda j, k: b[j, k])
    return builder.build(builder.compute("y", a.shape, lambda i, j: add(a[i, j], t[j]) + shift.astype(FLOAT32)))


SHIFTED = Operator("shifted", _infer, _shifted, "a test")


def use(n: str, m: str, k: str, shift: str) -> OpCall:
    args = (TensorType(dims((Var(n), Var(m))), FLOAT32), TensorType(dims((Var(m), Var(k))), FLOAT32))
    return OpCall("shifted", args, Attrs(shift=Var(shift)))


NAMES = [
    ("n", "m", "k", "s"),
    ("a", "b", "y", "t"),
    ("b", "a", "a", "b"),
    ("y_0", "y_l0", "t_k0", "t_r0"),
    ("t_0", "t", "t_l0", "y_0"),
    ("shifted", "y_1", "dim_y_1", "y_l1"),
]


@pytest.mark.parametrize("names", NAMES, ids="-".join)
def test_dimensions_may_be_called_like_anything_in_a_definition(names: tuple[str, str, str, str]) -> None:
    call = use(*names)
    function = SHIFTED.definition(call)
    assert [var.name for var in function.scalars] == sorted(set(names))
    assert not verify(IRModule.of(function))
    assert parse(script(IRModule.of(function))) == IRModule.of(function)
    sizes = {name: size for size, name in enumerate(dict.fromkeys(names), 2)}
    n, m, k, shift = (sizes[name] for name in names)
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((n, m), np.float32), generator.standard_normal((m, k), np.float32)
    (found,) = run_tensor_function(function, [a, b], None, sizes)
    np.testing.assert_allclose(found, a + b.sum(1) + shift, rtol=1e-5)


def test_a_definition_without_clashes_is_left_as_it_is() -> None:
    call = use("n", "m", "k", "s")
    assert SHIFTED.definition(call) == _shifted(call)


@pytest.mark.parametrize("order", [("x", "y"), ("y", "x"), ("y_0", "x"), ("y_l0", "y_1")], ids="-".join)
def test_built_functions_avoid_the_names_of_their_dimensions(order: tuple[str, str]) -> None:
    """Also a dimension that is known only after an input of its name."""
    builder = Compute("outer")
    x = builder.input("x", TensorType(dims((Var(order[0]),)), FLOAT32))
    more = builder.input("y", TensorType(dims((Var(order[1]),)), FLOAT32))
    value: Callable[..., Expr] = lambda i, j: x[i] * more[j]  # noqa: E731
    function = builder.build(builder.compute("y", (Var(order[0]), Var(order[1])), value))
    assert not verify(IRModule.of(function))
    sizes = {order[0]: 3, order[1]: 4}
    left, right = np.arange(3, dtype=np.float32), np.arange(4, dtype=np.float32)
    (found,) = run_tensor_function(function, [left, right], None, sizes)
    np.testing.assert_array_equal(found, np.outer(left, right))
