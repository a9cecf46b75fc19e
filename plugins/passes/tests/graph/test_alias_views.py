"""``graph.alias_views``: a copy in order costs nothing; everything else stays a copy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tondo.interp import run_tensor_function
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
    Reinterpret,
    Select,
    TensorFunction,
    TensorType,
    Var,
    dims,
)
from tondo.passes import PassContext
from tondo_passes.graph.alias_views import AliasViews
from tondo_passes.graph.own_results import OwnResults
from tondo_passes.host.lower import LowerHost
from tondo_passes.host.plan_memory import PlanMemory

Same = Callable[..., None]
N, M, P = Var("n"), Var("m"), Var("p")


def tensor(*shape: Expr | int) -> TensorType:
    return TensorType(dims(shape), FLOAT32)


def digits(position: Expr, shape: tuple[Expr, ...]) -> tuple[Expr, ...]:
    found: list[Expr] = []
    for extent in reversed(shape[1:]):
        found.append(position % extent)
        position = position // extent
    return (position, *reversed(found))


def reshape(source: TensorType, target: TensorType, name: str = "reshape") -> TensorFunction:
    builder = Compute(name)
    x = builder.input("x", source)

    def value(*at: Expr) -> Expr:
        position: Expr = Const(0)
        for index, extent in zip(at, target.dims, strict=True):
            position = position * extent + index
        return x[digits(position, source.dims)]

    return builder.build(builder.compute("y", target.dims, value))


def double(kind: TensorType) -> TensorFunction:
    builder = Compute("double")
    x = builder.input("x", kind)
    return builder.build(builder.compute("y", kind.dims, lambda *at: x[at] * 2.0))


def renamed(function: TensorFunction, name: str = "last") -> TensorFunction:
    return TensorFunction(name, function.params, function.body, function.outputs)


def chain(*functions: TensorFunction) -> IRModule:
    """A module that calls ``functions`` one after the other; scalars are passed on under their names."""
    value = GraphVar("x", TensorType(functions[0].input_buffers[0].shape, FLOAT32))
    params, bindings = (value,), []
    for i, function in enumerate(functions):
        made = GraphVar(f"v{i}", TensorType(function.output_buffers[0].shape, FLOAT32))
        bindings.append(Binding((made,), CallDps(function.name, (value,), function.scalars)))
        value = made
    return IRModule.of(GraphFunction("main", params, tuple(bindings), (value,)), *functions)


def run(module: IRModule, context: PassContext) -> IRModule:
    return AliasViews().run(module, context)


def views(module: IRModule) -> list[str]:
    return [binding.var.name for binding in module.graph().bindings if isinstance(binding.operation, Reinterpret)]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (tensor(N, 6, 4), tensor(N, 24)),
        (tensor(N, 24), tensor(N, 6, 4)),
        (tensor(N, M, 24), tensor(N * M, 24)),
        (tensor(N, 12, M, 4), tensor(N * 12, M, 4)),
        (tensor(N, 1, M), tensor(N, M, 1, 1)),
        (tensor(6, N), tensor(2, 3, N)),
    ],
)
def test_reshapes_of_symbolic_shapes_are_views(
    source: TensorType, target: TensorType, context: PassContext, same_meaning: Same
) -> None:
    before = chain(reshape(source, target), double(target))
    after = run(before, context)
    assert views(after) == ["v0"]
    same_meaning(before, after, n=3, m=5)


def test_merged_symbolic_axes_come_apart_again(context: PassContext, same_meaning: Same) -> None:
    wide, flat = tensor(N, M, 24), tensor(N * M, 24)
    before = chain(reshape(wide, flat, "join"), double(flat), reshape(flat, wide, "part"), renamed(double(wide)))
    after = run(before, context)
    assert views(after) == ["v0", "v2"]
    same_meaning(before, after, n=3, m=5)


@given(axes=st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), st.booleans()), min_size=1, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_reshape_is_a_view(axes: list[tuple[int, bool]], context: PassContext, same_meaning: Same) -> None:
    joined: list[int] = []
    for extent, apart in axes:
        if joined and not apart:
            joined[-1] *= extent
        else:
            joined.append(extent)
    source, target = tensor(*(extent for extent, _ in axes)), tensor(*reversed(joined))
    before = chain(reshape(source, target), double(target))
    after = run(before, context)
    assert views(after) == ["v0"]
    same_meaning(before, after)


def test_transposes_parts_of_rows_and_broadcasts_stay(context: PassContext) -> None:
    def function(name: str, shape: tuple[Expr | int, ...], index: Callable[..., tuple[object, ...]]) -> TensorFunction:
        builder = Compute(name)
        x = builder.input("x", tensor(4, 4))
        return builder.build(builder.compute("y", dims(shape), lambda *at: x[index(*at)]))

    kinds = {
        "transpose": function("transpose", (4, 4), lambda i, j: (j, i)),
        "slice": function("slice", (4, 2), lambda i, j: (i, j + 1)),
        "stride": function("stride", (2, 4), lambda i, j: (i * 2, j)),
        "reverse": function("reverse", (4, 4), lambda i, j: (i, Const(3) - j)),
        "expand": function("expand", (2, 4, 4), lambda k, i, j: (i, j)),
    }
    for kind in kinds.values():
        result = TensorType(kind.output_buffers[0].shape, FLOAT32)
        assert views(run(chain(kind, double(result)), context)) == [], kind.name


def test_unit_axes_move_freely(context: PassContext) -> None:
    builder = Compute("transpose")
    x = builder.input("x", tensor(N, 1, M))
    transpose = builder.build(builder.compute("y", (N, M, 1), lambda i, j, k: x[i, k, j]))
    assert views(run(chain(transpose, double(tensor(N, M, 1))), context)) == ["v0"]


def test_results_own_their_memory(context: PassContext, same_meaning: Same) -> None:
    """A view of what the function computes lies in the memory of the result; one of a parameter is copied."""
    flat = reshape(tensor(N, 6), tensor(N * 6))
    assert views(run(chain(flat), context)) == []
    before = chain(double(tensor(N, 6)), flat)
    after = run(before, context)
    assert views(after) == ["v1"]
    same_meaning(before, after, n=4)
    assert hosted(after, context, np.ones((4, 6), np.float32), n=4).tolist() == [2.0] * 24
    again = chain(double(tensor(N, 6)), flat, reshape(tensor(N * 6), tensor(N, 3, 2), "third"))
    assert views(run(again, context)) == ["v1", "v2"]
    assert hosted(run(again, context), context, np.ones((4, 6), np.float32), n=4).tolist() == [[[2.0] * 2] * 3] * 4
    assert not PlanMemory().run(after, context).graph().attrs["memory"]["places"]  # type: ignore[index,call-overload]
    value, view = GraphVar("x", tensor(N, 6)), GraphVar("y", tensor(N * 6))
    module = IRModule.of(GraphFunction("main", (value,), (Binding((view,), Reinterpret(value)),), (view,)))
    owned = OwnResults().run(module, context)
    assert isinstance(owned.graph().bindings[-1].operation, CallDps)
    same_meaning(module, owned, n=4)


def test_a_value_lies_in_one_result(context: PassContext, same_meaning: Same) -> None:
    """Of two results that show one value, and of a result that shows another, only the first shares memory."""
    wide, flat = tensor(N, 6), tensor(N * 6)
    x, v, a, b = (GraphVar(name, kind) for name, kind in (("x", wide), ("v", wide), ("a", flat), ("b", flat)))
    bindings = [Binding((v,), CallDps("double", (x,), (N,)))]
    bindings += [Binding((made,), CallDps("reshape", (v,), (N,))) for made in (a, b)]
    functions = (double(wide), reshape(wide, flat))
    for results, shared in (((a, b), ["a"]), ((v, a), ["b"]), ((b,), ["a", "b"])):
        before = IRModule.of(GraphFunction("main", (x,), tuple(bindings), results), *functions)
        after = run(before, context)
        assert views(after) == shared
        same_meaning(before, after, n=3)


def rows(count: int, begin: Expr | int, name: str = "rows") -> TensorFunction:
    """Neighbouring rows of a matrix with rows of 6."""
    builder = Compute(name)
    x = builder.input("x", tensor(N, 6))
    return builder.build(builder.compute("y", dims((count, 6)), lambda i, j: x[i + begin, j]))


def offsets(module: IRModule) -> dict[str, Expr | None]:
    found = {binding.var.name: binding.operation for binding in module.graph().bindings}
    return {name: made.offset for name, made in found.items() if isinstance(made, Reinterpret)}


def test_rows_are_views_of_the_whole(context: PassContext, same_meaning: Same) -> None:
    before = chain(rows(2, 1), double(tensor(2, 6)))
    after = run(before, context)
    assert offsets(after) == {"v0": Const(6)}
    same_meaning(before, after, n=4)
    before = chain(rows(1, N - 1, "last"), reshape(tensor(1, 6), tensor(6)), double(tensor(6)))
    after = run(before, context)
    assert list(offsets(after)) == ["v0", "v1"]
    same_meaning(before, after, n=5)
    data = np.arange(30, dtype=np.float32).reshape(5, 6)
    np.testing.assert_array_equal(hosted(after, context, data, n=5), data[-1] * 2)


def test_rows_of_what_fusion_or_a_concatenation_needs_whole_are_copied(context: PassContext) -> None:
    few = rows(2, 1)
    assert views(run(chain(double(tensor(N, 6)), few, renamed(double(tensor(2, 6)))), context)) == []
    assert views(run(chain(few), context)) == []
    builder = Compute("concat")
    a, b = builder.input("a", tensor(2, 6)), builder.input("b", tensor(4, 6))
    concat = builder.build(
        builder.compute("y", dims((6, 6)), lambda i, j: Select(i < 2, a[i, j], b[i - 2, j])),
    )
    x, z, v, y = (GraphVar(n, tensor(*k)) for n, k in (("x", (N, 6)), ("z", (4, 6)), ("v", (2, 6)), ("y", (6, 6))))
    bindings = (Binding((v,), CallDps("rows", (x,), (N,))), Binding((y,), CallDps("concat", (v, z))))
    module = IRModule.of(GraphFunction("main", (x, z), bindings, (y,)), few, concat)
    assert views(run(module, context)) == []


def hosted(module: IRModule, context: PassContext, data: np.ndarray, **sizes: int) -> np.ndarray:
    """Run the host function of ``module`` with the interpreter."""
    host = LowerHost().run(PlanMemory().run(module, context), context)
    return run_tensor_function(host.tensor("main"), [data], None, sizes, module=host)[0]


def test_views_use_the_memory_of_their_argument_in_the_host_function(context: PassContext) -> None:
    """The value lives as long as its view; views of inputs, of intermediate values and of results all work."""
    first = reshape(tensor(N, 6), tensor(N * 6), "first")
    flat, wide = double(tensor(N * 6)), reshape(tensor(N * 6), tensor(N, 2, 3), "second")
    last = double(tensor(N, 2, 3))
    before = chain(first, flat, wide, renamed(last))
    after = run(before, context)
    assert views(after) == ["v0", "v2"]
    planned = PlanMemory().run(after, context)
    places = dict(planned.graph().attrs["memory"]["places"])  # type: ignore[index,call-overload,arg-type]
    assert set(places) == {"v1"}
    host = LowerHost().run(planned, context)
    data = np.arange(24, dtype=np.float32).reshape(4, 6)
    result, _ = run_tensor_function(host.tensor("main"), [data], None, {"n": 4}, module=host)
    np.testing.assert_array_equal(result, data.reshape(4, 2, 3) * 4)
