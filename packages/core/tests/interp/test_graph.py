"""Graph functions against numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tondo_runtime.registry as registry
from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import (
    BOOL,
    FLOAT32,
    INT64,
    Attrs,
    BindDims,
    Binding,
    Buffer,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    Compute,
    Const,
    ConstantData,
    ConstantRef,
    For,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    Join,
    LoopRegion,
    MatchShape,
    OpCall,
    Operator,
    Reinterpret,
    ShapeValue,
    Store,
    TensorFunction,
    TensorType,
    Var,
    const,
    dims,
    span_of,
)

N, M = Var("n"), Var("m")


def tensor(*shape, dtype=FLOAT32) -> TensorType:
    return TensorType(dims(shape), dtype)


def graph(params, bindings, results, name="main") -> GraphFunction:
    return GraphFunction(name, tuple(params), tuple(bindings), tuple(results))


def _define_binary(call: OpCall) -> TensorFunction:
    b = Compute("binary")
    x, y = (b.input(name, type_) for name, type_ in zip("xy", call.args, strict=True))
    times = call.attrs.get("times", 1)
    return b.build(b.compute("z", call.args[0].dims, lambda *at: (x[at] + y[at]) * const(times, x.dtype)))


OPS = {"add": Operator("add", lambda call: (call.args[0],), _define_binary)}
X, Y = GraphVar("x", tensor(N, 3)), GraphVar("y", tensor(N, 3))
Z = GraphVar("z", tensor(N, 3))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.random((4, 3), np.float32), rng.random((4, 3), np.float32)


def test_operator_calls_with_symbolic_shapes(data):
    total = GraphVar("total", tensor(N, 3))
    module = IRModule.of(
        graph([X, Y], [Binding((Z,), Call("add", (X, Y))), Binding((total,), Call("add", (Z, X)))], [total, Z])
    )
    a, b = data
    total_, z = run_graph(module, [a, b], OPS)
    np.testing.assert_array_equal(z, a + b)
    np.testing.assert_array_equal(total_, a + b + a)
    with pytest.raises(TondoError) as caught:
        run_graph(module, [a, b], {})
    assert caught.value.code == "TND-M003"


def test_inputs_are_checked(data):
    module = IRModule.of(graph([X, Y], [], [X]))
    a, b = data
    for inputs, code in (
        ([a, b[:3]], "TND-U002"),
        ([a, b.reshape(12)], "TND-U002"),
        ([a[:, :2], b], "TND-U002"),
        ([a, b.astype(np.float64)], "TND-U003"),
        ([a], "TND-U004"),
    ):
        with pytest.raises(TondoError) as caught:
            run_graph(module, inputs, {})
        assert caught.value.code == code


def test_destination_passing_constants_and_other_functions(data):
    b = Compute("scaled")
    x, w = b.input("x", tensor(N, 3)), b.input("w", tensor(3))
    scaled = b.build(b.compute("y", (N, 3), lambda i, j: x[i, j] * w[j]))
    weights = ConstantData(np.array([1, 2, 3], np.float32))
    inner = graph([X], [Binding((Z,), CallDps("scaled", (X, ConstantRef("w", weights.type)), (N,)))], [Z], "inner")
    p, q = GraphVar("p", tensor(M, 3)), GraphVar("q", tensor(M, 3))
    main = graph([p], [Binding((q,), CallGraph("inner", (p,)))], [q])
    (result,) = run_graph(IRModule.of(main, inner, scaled, constants={"w": weights}), [data[0]], {})
    np.testing.assert_array_equal(result, data[0] * np.array([1, 2, 3], np.float32))


def test_foreign_functions(data):
    registry.register("test.graph.sort", lambda x, out: np.copyto(out, np.sort(x, axis=1)))
    registry.register("test.graph.negate", lambda x: np.negative(x, out=x))
    try:
        w = GraphVar("w", tensor(N, 3))
        bindings = [
            Binding((Z,), CallPacked("test.graph.sort", (X,))),
            Binding((w,), CallPacked("test.graph.negate", (Z,), effect="inplace")),
        ]
        z, negated = run_graph(IRModule.of(graph([X], bindings, [Z, w])), [data[0]], {})
    finally:
        registry.remove("test.graph.sort")
        registry.remove("test.graph.negate")
    np.testing.assert_array_equal(z, np.sort(data[0], axis=1))
    np.testing.assert_array_equal(negated, -z)


def test_shapes(data):
    shape, count = GraphVar("shape", tensor(2, dtype=INT64)), GraphVar("count", tensor(dtype=INT64))
    known = GraphVar("known", tensor(N, M))
    size = GraphVar("size", tensor(dtype=INT64))
    anything = GraphVar("a", TensorType(None, FLOAT32))
    bindings = [
        Binding((shape,), ShapeValue((N * 2, N + 1))),
        Binding((count,), ShapeValue((N * 3,), scalar=True)),
        Binding((known,), MatchShape(anything, (N, M))),
        Binding((size,), ShapeValue((M,), scalar=True)),
    ]
    module = IRModule.of(graph([X, anything], bindings, [shape, count, size]))
    shape_, count_, size_ = run_graph(module, [data[0], np.zeros((4, 9), np.float32)], {})
    assert shape_.tolist() == [8, 5]
    assert (count_.shape, int(count_), int(size_)) == ((), 12, 9)
    with pytest.raises(TondoError) as caught:
        run_graph(module, [data[0], np.zeros((5, 9), np.float32)], {})
    assert caught.value.code == "TND-R003"


def test_views(data):
    flat = GraphVar("flat", tensor(N * 3))
    module = IRModule.of(graph([X], [Binding((flat,), Reinterpret(X))], [flat]))
    np.testing.assert_array_equal(run_graph(module, [data[0]], {})[0], data[0].reshape(-1))
    row = GraphVar("row", tensor(3))
    module = IRModule.of(graph([X], [Binding((row,), Reinterpret(X, (N - 1) * 3))], [row]))
    np.testing.assert_array_equal(run_graph(module, [data[0]], {})[0], data[0][-1])
    short = GraphVar("short", tensor(N + 1))
    with pytest.raises(TondoError) as caught:
        run_graph(IRModule.of(graph([X], [Binding((short,), Reinterpret(X))], [short])), [data[0]], {})
    assert caught.value.code == "TND-R003"
    with pytest.raises(TondoError) as caught:
        run_graph(IRModule.of(graph([X], [Binding((row,), Reinterpret(X, N * 3 - 1))], [row])), [data[0]], {})
    assert caught.value.code == "TND-R003"


def copied(name: str, *, flat: bool, reads_part: bool) -> TensorFunction:
    """A copy of rows of three into rows of three of six, as two axes with strides or as one axis with gaps."""
    i, j = Var("i"), Var("j")
    shape, steps = dims((N, 3)), dims((6, 1))
    part = Buffer("y", (span_of(shape, steps),)) if flat else Buffer("y", shape, strides=steps)
    x = replace(part, name="x") if reads_part else Buffer("x", shape)
    at = (i * 6 + j,) if flat else (i, j)
    body = For(i, Const(0), N, For(j, Const(0), Const(3), Store(part, at, x[at if reads_part else (i, j)])))
    return TensorFunction(name, (N, x, part), body)


@pytest.mark.parametrize("flat", [False, True])
def test_joins(data, flat):
    """The value is the concatenation; functions see the memory of its parts with strides, or as one axis."""
    one, other, both = GraphVar("one", X.type), GraphVar("other", X.type), GraphVar("both", tensor(N, 6))
    bindings = [
        Binding((one,), CallDps("first", (X,), (N,))),
        Binding((other,), CallDps("second", (one,), (N,))),
        Binding((both,), Join((one, other), 1)),
    ]
    functions = [copied("first", flat=flat, reads_part=False), copied("second", flat=flat, reads_part=True)]
    module = IRModule.of(graph([X], bindings, [both]), *functions)
    np.testing.assert_array_equal(run_graph(module, [data[0]], {})[0], np.concatenate([data[0], data[0]], 1))


def test_branches(data):
    flag = GraphVar("flag", tensor(dtype=BOOL))
    then = GraphRegion((), (Binding((GraphVar("t", X.type),), Call("add", (X, Y))),), (GraphVar("t", X.type),))
    orelse = GraphRegion((), (), (X,))
    module = IRModule.of(graph([flag, X, Y], [Binding((Z,), IfRegion(flag, then, orelse))], [Z]))
    a, b = data
    np.testing.assert_array_equal(run_graph(module, [np.array(True), a, b], OPS)[0], a + b)
    np.testing.assert_array_equal(run_graph(module, [np.array(False), a, b], OPS)[0], a)


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_loops_carry_and_scan(data, trips):
    count = GraphVar("count", tensor(dtype=INT64))
    at, alive, state = (
        GraphVar("at", tensor(dtype=INT64)),
        GraphVar("alive", tensor(dtype=BOOL)),
        GraphVar("state", tensor(N, 3)),
    )
    moved = GraphVar("moved", tensor(N, 3))
    body = GraphRegion((at, alive, state), (Binding((moved,), Call("add", (state, X))),), (alive, moved, moved))
    final, history = GraphVar("final", tensor(N, 3)), GraphVar("history", tensor(M, N, 3))
    binding = Binding((final, history), LoopRegion(count, None, (X,), body))
    module = IRModule.of(graph([count, X], [binding], [final, history]))
    a = data[0]
    last, steps = run_graph(module, [np.array(trips), a], OPS)
    np.testing.assert_allclose(last, a * (trips + 1), rtol=1e-6)
    assert steps.shape == (trips, 4, 3)
    for step in range(trips):
        np.testing.assert_allclose(steps[step], a * (step + 2), rtol=1e-6)


def test_loop_ends_when_its_condition_does(data):
    at, alive, state = (
        GraphVar("at", tensor(dtype=INT64)),
        GraphVar("alive", tensor(dtype=BOOL)),
        GraphVar("state", tensor(N, 3)),
    )
    moved, more = GraphVar("moved", tensor(N, 3)), GraphVar("more", tensor(dtype=BOOL))
    registry.register("test.graph.before", lambda i, out: np.copyto(out, i < 2))
    try:
        steps = (Binding((moved,), Call("add", (state, X))), Binding((more,), CallPacked("test.graph.before", (at,))))
        body = GraphRegion((at, alive, state), steps, (more, moved))
        module = IRModule.of(graph([X], [Binding((Z,), LoopRegion(None, None, (X,), body))], [Z]))
        (result,) = run_graph(module, [data[0]], OPS)
    finally:
        registry.remove("test.graph.before")
    np.testing.assert_allclose(result, data[0] * 4, rtol=1e-6)


def test_contents_may_decide_sizes(data):
    counts = GraphVar("counts", tensor(2, dtype=INT64))
    bind = Binding((), BindDims(counts, (Var("k") - 1, Var("j"))))
    shape = GraphVar("shape", tensor(2, dtype=INT64))
    values = Binding((shape,), ShapeValue((Var("k") - 1, Var("j"))))
    module = IRModule.of(graph([counts], [bind, values], [shape]))
    for sizes in ((3, 2), (0, 5)):
        assert run_graph(module, [np.array(sizes, np.int64)], {})[0].tolist() == list(sizes)
    with pytest.raises(TondoError, match="would be -1"):
        run_graph(module, [np.array([-1, 2], np.int64)], {})


def test_a_carried_value_may_grow(data):
    count = GraphVar("count", tensor(1, dtype=INT64))
    at, alive = GraphVar("at", tensor(dtype=INT64)), GraphVar("alive", tensor(dtype=BOOL))
    state, longer = GraphVar("state", tensor(Var("k"), 3)), GraphVar("longer", tensor(Var("k") * 2, 3))
    registry.register("test.graph.twice", lambda x, out: np.copyto(out, np.concatenate([x, x])))
    try:
        step = Binding((longer,), CallPacked("test.graph.twice", (state,)))
        body = GraphRegion((at, alive, state), (step,), (alive, longer))
        final = GraphVar("final", tensor(Var("p"), 3))
        module = IRModule.of(graph([count, X], [Binding((final,), LoopRegion(count, None, (X,), body))], [final]))
        for trips in (0, 1, 3):
            (result,) = run_graph(module, [np.array([trips]), data[0]], {})
            np.testing.assert_array_equal(result, np.concatenate([data[0]] * 2**trips))
    finally:
        registry.remove("test.graph.twice")


def test_undefined_values_are_reported(data):
    module = IRModule.of(graph([X], [], [Z]))
    with pytest.raises(TondoError, match="the value 'z' is not defined here"):
        run_graph(module, [data[0]], {})
    unknown = GraphVar("s", tensor(1, dtype=INT64))
    module = IRModule.of(graph([X], [Binding((unknown,), ShapeValue((M,)))], [unknown]))
    with pytest.raises(TondoError, match="the dimension 'm' has no value here"):
        run_graph(module, [data[0]], {})
    assert run_graph(module, [data[0]], {}, symbols={"m": 7})[0].tolist() == [7]


def test_callee_may_see_memory_flat(data):
    i = Var("i")
    x, y = Buffer("p", dims((N * 3,))), Buffer("q", dims((N * 3,)))
    scratch = Buffer("r", dims((N * 3,)))
    body = For(i, Const(0), N * 3, Store(y, (i,), x[i] + x[i]))
    flat = TensorFunction("flat", (N, x, y, scratch), body, 2, Attrs(workspace=1))
    module = IRModule.of(graph([X], [Binding((Z,), CallDps("flat", (X,), (N,)))], [Z]), flat)
    np.testing.assert_array_equal(run_graph(module, [data[0]], {})[0], data[0] * 2)
