"""``host.plan_memory``: values that live at the same time never share bytes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.interp.expressions import evaluate_expr
from tondo.ir import (
    FLOAT32,
    INT8,
    Attrs,
    Binary,
    Binding,
    Buffer,
    CallDps,
    Const,
    DType,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    MatchShape,
    ObjectType,
    Seq,
    TensorFunction,
    TensorType,
    Var,
    dims,
    floordiv,
)
from tondo.passes import PassContext
from tondo.script import parse, script
from tondo.target import Target
from tondo.target.target import Caches
from tondo_passes.host.arena import ALIGNMENT
from tondo_passes.host.lower import planned
from tondo_passes.host.plan_memory import PlanMemory, scratch_name

TARGET = Target("cpu", "generic", "x86_64-unknown-linux-gnu", frozenset(), 256, 16, Caches(32 << 10, 1 << 20, 0), 1)
CONTEXT = PassContext(TARGET)
N, M, P = Var("n"), Var("m"), Var("p")
SHAPES: list[tuple[Expr | int, ...]] = [
    (),
    (0,),
    (1,),
    (100,),
    (33, 7),
    (N,),
    (N, 64),
    (N * 2, 3),
    (N + 1,),
    (M,),
    (N, M),
    (floordiv(N, 2) + M, 5),
    (N * 32,),
]
SIZES = st.sampled_from([1, 2, 3, 17, 100])


def value(name: str, shape: tuple[Expr | int, ...], dtype: DType = FLOAT32) -> GraphVar:
    return GraphVar(name, TensorType(dims(shape), dtype))


def kernel(scratch: int) -> TensorFunction:
    """A kernel over p elements with scratch buffers of p * 4 and 10 floats."""
    buffers = [Buffer("s0", (P * 4,)), Buffer("s1", (Const(10),))][:scratch]
    params = (P, Buffer("x", (P,)), Buffer("y", (P,)), *buffers)
    return TensorFunction(f"kernel{scratch}", params, Seq(()), 1 + scratch, Attrs(workspace=scratch))


KERNELS = [kernel(i) for i in range(3)]


@st.composite
def graphs(draw: st.DrawFn) -> GraphFunction:
    values = [value("x", (N, M))]
    bindings: list[Binding] = []
    for i in range(draw(st.integers(1, 14))):
        shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from([FLOAT32, INT8]))
        args = tuple(draw(st.lists(st.sampled_from(values[-4:]), max_size=3)))
        made = value(f"v{i}", shape, dtype)
        if draw(st.integers(0, 5)) == 0 and len(values) > 1:
            source = draw(st.sampled_from(values[1:]))
            made = GraphVar(made.name, source.type)
            bindings.append(Binding((made,), MatchShape(source, source.tensor.dims)))
        else:
            number = draw(st.integers(0, 2))
            bindings.append(Binding((made,), CallDps(f"kernel{number}", args, (draw(st.sampled_from([N, M, N + M])),))))
        values.append(made)
    computed = [binding.var for binding in bindings if not isinstance(binding.operation, MatchShape)]
    results = (draw(st.sampled_from(computed)),) if computed else ()
    return GraphFunction("main", (values[0],), tuple(bindings), results)


def lifetimes(graph: GraphFunction) -> dict[str, tuple[int, int, Expr]]:
    """(first, last, bytes) of everything that needs memory, computed without the pass."""
    root: dict[str, str] = {}
    found: dict[str, tuple[int, int, Expr]] = {}
    for position, binding in enumerate(graph.bindings):
        operation = binding.operation
        if isinstance(operation, MatchShape):
            root[binding.var.name] = root.get(operation.arg.name, operation.arg.name)
            used = [operation.arg]
        else:
            assert isinstance(operation, CallDps)
            used = list(operation.args)
            size: Expr = Const(binding.var.tensor.dtype.bytes)
            for extent in binding.var.tensor.dims:
                size = Binary("mul", size, extent)
            found[binding.var.name] = (position, position, size)
            for i in range(int(operation.function[-1])):
                amount = Binary("mul", operation.scalars[0], Const(16)) if i == 0 else Const(40)
                found[scratch_name(binding, i)] = (position, position, amount)
        for arg in used:
            name = root.get(arg.name, arg.name)
            if name in found:
                found[name] = (found[name][0], position, found[name][2])
    for atom in graph.results:
        found.pop(atom.name, None)
    return found


def number(expr: Expr, n: int, m: int) -> int:
    return int(evaluate_expr(expr, {N: n, M: m}))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(graph=graphs(), n=SIZES, m=SIZES)
def test_nothing_alive_overlaps(graph: GraphFunction, n: int, m: int) -> None:
    module = PlanMemory().run(IRModule.of(graph, *KERNELS), CONTEXT)
    places, size = planned(module.graph())
    alive = lifetimes(graph)
    assert set(places) == set(alive)
    spans = {name: (number(places[name], n, m), number(alive[name][2], n, m)) for name in places}
    for name, (begin, length) in spans.items():
        assert begin % ALIGNMENT == 0
        assert begin + length <= number(size, n, m)
        for other, (start, extent) in spans.items():
            if name < other and alive[name][0] <= alive[other][1] and alive[other][0] <= alive[name][1]:
                assert begin + length <= start or start + extent <= begin, (name, other)
    assert parse(script(module)) == module
    assert PlanMemory().run(module, CONTEXT) == module


def chain(shapes: list[tuple[Expr | int, ...]]) -> IRModule:
    """Each value is computed from the one before."""
    values = [value("x", (N, M)), *(value(f"v{i}", shape) for i, shape in enumerate(shapes))]
    bindings = tuple(Binding((b,), CallDps("kernel0", (a,), (N,))) for a, b in pairwise(values))
    return IRModule.of(GraphFunction("main", (values[0],), bindings, (values[-1],)), *KERNELS)


def arena(module: IRModule, n: int = 10, m: int = 10) -> int:
    return number(planned(PlanMemory().run(module, CONTEXT).graph())[1], n, m)


def test_memory_is_reused() -> None:
    assert arena(chain([(64,)] * 20)) == 2 * 256
    assert arena(chain([(N, 64)] * 20)) == 2 * 2560
    assert arena(chain([(N, 64), (N, 32), (N, 16), (N, 64), (N,)])) == 2560 + 1280 + 640
    assert arena(chain([(N, 64), (N, 32)] * 8)) == 2560 + 1280


def test_a_gap_is_filled() -> None:
    assert arena(chain([(64,), (16,), (16,), (16,), (64,), (16,)])) == 256 + 64


def depth(expr: Expr) -> int:
    pending, deepest = [(expr, 1)], 0
    while pending:
        item, level = pending.pop()
        deepest = max(deepest, level)
        pending.extend((child, level + 1) for child in item.children())  # type: ignore[misc]
    return deepest


def test_expressions_are_balanced() -> None:
    """150 values of incomparable sizes that live at once, and 150 that share one slot."""
    count = 150
    variables = [Var(f"n{i}") for i in range(count)]
    values = [value("x", tuple(variables)), *(value(f"v{i}", (var,)) for i, var in enumerate(variables))]
    bindings = [Binding((made,), CallDps("kernel0", (), (N,))) for made in values[1:]]
    end = value("end", (1,))
    bindings.append(Binding((end,), CallDps("kernel0", tuple(values[1:]), (N,))))
    module = IRModule.of(GraphFunction("main", (values[0],), tuple(bindings), (end,)), *KERNELS)
    places, size = planned(PlanMemory().run(module, CONTEXT).graph())
    assert max(depth(place) for place in (*places.values(), size)) < 25

    bindings = [Binding((made,), CallDps("kernel0", (), (N,))) for made in values[1:151]]
    module = IRModule.of(GraphFunction("main", (values[0],), tuple(bindings), ()), *KERNELS)
    places, size = planned(PlanMemory().run(module, CONTEXT).graph())
    assert len(set(places.values())) == 1
    assert depth(size) < 25


def test_bounds_of_dimensions_are_used() -> None:
    """(n + 1) floats fit into 2 n floats if n is at least 1; if it may be 0 they do not."""
    module = chain([(N * 64,), (N + 1, 8), (N * 32 + 32,), (1,)])
    zero = replace(CONTEXT, dimensions={"n": (0, None)})
    _, size = planned(PlanMemory().run(module, zero).graph())
    assert number(size, 0, 1) >= 128 + 128 // 4


def test_values_that_are_no_tensors_are_refused() -> None:
    for kind in (ObjectType("sequence"), TensorType(None, FLOAT32)):
        made = GraphVar("s", kind)
        end = value("end", (1,))
        bindings = (
            Binding((made,), CallDps("kernel0", (), (N,)), "the node"),
            Binding((end,), CallDps("kernel0", (made,), (N,))),
        )
        module = IRModule.of(GraphFunction("main", (), bindings, (end,)), *KERNELS)
        with pytest.raises(TondoError, match="'s' is not a tensor of known rank") as caught:
            PlanMemory().run(module, CONTEXT)
        assert caught.value.diagnostics[0].notes == ("it comes from the node",)
