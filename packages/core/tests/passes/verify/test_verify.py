"""Every rule of the verifier fires on a module that breaks it, and none on one that does not."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import Span, TondoError
from tondo.ir import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    Allocate,
    Attrs,
    Binding,
    Block,
    Broadcast,
    Buffer,
    Call,
    CallDps,
    CallGraph,
    Compute,
    Const,
    ConstantData,
    ConstantRef,
    Evaluate,
    For,
    GraphFunction,
    GraphRegion,
    GraphVar,
    If,
    IfRegion,
    Invoke,
    IRModule,
    IterVar,
    Join,
    Let,
    Load,
    LoopRegion,
    MatchShape,
    Ramp,
    Range,
    Region,
    Reinterpret,
    Store,
    TensorFunction,
    TensorType,
    Var,
    View,
    const,
    dims,
    intrin,
    seq,
)
from tondo.passes.verify import require, verifiers, verify

I, J, N, M = (Var(name) for name in "ijnm")
X, Y = Buffer("x", dims((N,))), Buffer("y", dims((N,)))
COPY = For(I, Const(0), N, Store(Y, (I,), X[I]))


def messages(module, stage=None) -> list[str]:
    found = verify(module, stage)
    assert all(diagnostic.code == "TND-B001" for diagnostic in found)
    return [diagnostic.message for diagnostic in found]


def of(body, params=(N, X, Y), outputs=1) -> IRModule:
    return IRModule.of(TensorFunction("f", params, body, outputs))


def softmax() -> TensorFunction:
    b = Compute("softmax")
    x = b.input("x", TensorType(dims((N, 8)), FLOAT32))
    low = b.reduce("low", (N,), (8,), lambda i, k: x[i, k], "max")
    e = b.compute("e", (N, 8), lambda i, j: intrin("exp", x[i, j] - low[i]))
    total = b.reduce("total", (N,), (8,), lambda i, k: e[i, k])
    return b.build(b.compute("y", (N, 8), lambda i, j: e[i, j] / total[i]))


def test_well_formed_functions():
    assert messages(of(COPY)) == []
    assert messages(IRModule.of(softmax())) == []
    arena = Buffer("arena", dims((64,)))
    part = Buffer("part", dims((N,)))
    body = Allocate(arena, View(part, arena, Const(0), seq(COPY, Invoke("g", (N, Y, part)))))
    callee = TensorFunction("g", (N, X, Y), COPY)
    assert messages(IRModule.of(TensorFunction("f", (N, X, Y), body), callee)) == []
    assert messages(of(seq(COPY, For(I, Const(0), N, Store(Y, (I,), X[I]))))) == []


def block(body, binding=I, predicate=None, name="b", reads=()):
    iters = (IterVar(J, N, binding),)
    return For(I, Const(0), N, Block(name, iters, reads, (), body, None, predicate))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (of(COPY, (X, N, Y)), "scalar parameters stand before buffers"),
        (of(COPY, (N, N, X, Y)), "two parameters are called 'n'"),
        (of(COPY, outputs=3), "3 outputs of 2 buffers"),
        (of(COPY, (X, Y)), "the variable 'n' has no value here"),
        (of(For(I, Const(0), N, Store(Y, (J,), X[I]))), "the variable 'j' has no value here"),
        (of(seq(COPY, Store(Y, (I,), const(0.0)))), "the variable 'i' has no value here"),
        (of(For(I, Const(0), N, For(I, Const(0), N, Store(Y, (I,), X[I])))), "the variable 'i' hides another"),
        (of(Let(N, Const(1), COPY)), "the variable 'n' hides another"),
        (of(COPY, (Var("n", INT32), X, Y)), "the variable 'n' is int32, it is used as int64"),
        (of(For(I, Const(0), N, Store(Y, (I,), Buffer("q", dims((N,)))[I]))), "the buffer 'q' is not declared here"),
        (of(For(I, Const(0), N, Store(Y, (I,), Buffer("x", dims((N, 2)))[I, 0]))), "'x' is used with another shape"),
        (of(Allocate(X, COPY)), "the buffer 'x' hides another"),
        (of(block(Store(Y, (I,), X[J]))), "'i' stands around the block, whose body does not see it"),
        (of(block(Store(Y, (J,), X[J]), binding=J)), "the variable 'j' has no value here"),
        (of(seq(block(Store(Y, (J,), X[J])), block(Store(Y, (J,), X[J])))), "two blocks are called 'b'"),
        (of(block(Store(Y, (J,), X[J]), reads=(Region(X, ()),))), "a region of 'x' has the wrong rank"),
        (
            of(block(Store(Y, (J,), X[J]), reads=(Region(X, (Range(I, Const(1)),)),))),
            "'i' stands around the block, whose body does not see it",
        ),
        (of(block(Store(Y, (J,), X[J]), predicate=I)), "its predicate has dtype int64"),
        (of(block(Store(Y, (J,), X[J]), binding=Const(0, INT32))), "'j' and its binding differ in dtype"),
        (of(For(I, Const(0), N, Store(Y, (I, I), X[I]))), "store to 'y' of rank 1 with 2 indices"),
        (of(For(I, Const(0), N, Store(Y, (I,), Load(X, ())))), "load of 'x' of rank 1 with 0 indices"),
        (of(For(I, Const(0), N, Store(Y, (const(0.0),), X[I]))), "an index is not an integer"),
        (of(For(I, Const(0), N, Store(Y, (I,), const(0.0, FLOAT64)))), "float64 where float32 is needed"),
        (of(Store(Y, (Ramp(Const(0), Const(1), 4),), const(0.0))), "float32 where float32x4 is needed"),
        (
            of(Store(Y, (Const(0),), const(0.0), Broadcast(Const(True, BOOL), 4))),
            "the predicate is boolx4, 1 lanes are accessed",
        ),
        (of(For(I, Const(0, INT32), N, COPY)), "loop 'i': the variable and its bounds differ in dtype"),
        (of(For(I, Const(0), N, Store(Y, (I,), X[I]), "threads")), "loop 'i': unknown kind 'threads'"),
        (of(If(N, COPY)), "a condition has dtype int64"),
        (of(seq(COPY, Evaluate(Ramp(N, Const(1, INT32), 4)))), "a ramp needs a scalar base"),
        (of(seq(COPY, Evaluate(Broadcast(N, 1)))), "a broadcast needs a scalar"),
        (of(seq(COPY, Evaluate(intrin("pow", const(1.0))))), "intrinsic 'pow' takes 2 arguments, not 1"),
        (
            of(seq(COPY, Evaluate(intrin("exp", Broadcast(const(1.0), 4), dtype=FLOAT32)))),
            "intrinsic 'exp': arguments and result differ in lanes",
        ),
        (of(For(I, Const(0), N, Store(X, (I,), const(0.0)))), "the input 'x' is stored to"),
        (of(Evaluate(Const(0))), "the output 'y' is never written"),
        (of(Invoke("g", (N, X, Y))), "there is no tensor function 'g' to invoke"),
        (of(Invoke("f", (X, Y))), "'f' takes 3 arguments, 2 are given"),
        (of(Invoke("f", (X, N, Y))), "'f' takes a number as 'n'"),
        (of(Invoke("f", (const(1.0), X, Y))), "'f' takes int64 as 'n', float32 is given"),
    ],
)
def test_tensor_rules(module, message):
    found = messages(module)
    assert any(message in text for text in found), found
    assert all(text.startswith("f: ") for text in found)


def test_lowered_stage():
    assert "f: block 'b' is left after lowering" in messages(of(block(Store(Y, (J,), X[J]))), "lowered")
    vector = For(I, Const(0), Const(8), Store(Y, (I,), X[I]), "vectorized")
    assert messages(of(vector), "lowered") == ["f: vectorized loop 'i' is left after lowering"]
    assert messages(of(vector)) == []
    assert messages(of(COPY), "lowered") == []


def test_span_of_the_statement():
    place = Span("<script>", 3, 5)
    found = verify(of(seq(COPY, Store(Y, (Const(0),), const(0.0, FLOAT64), span=place))))
    assert [diagnostic.span for diagnostic in found] == [place]


def tensor(*shape, dtype=FLOAT32) -> TensorType:
    return TensorType(dims(shape), dtype)


A, B, C = (GraphVar(name, tensor(N)) for name in "abc")
FLAG = GraphVar("flag", tensor(dtype=BOOL))


def graph(*bindings, params=(A,), results=(B,), more=(), constants=None) -> IRModule:
    main = GraphFunction("main", tuple(params), tuple(bindings), tuple(results))
    copy = TensorFunction("copy", (N, X, Y), COPY)
    return IRModule.of(main, copy, *more, constants=constants)


def dps(var=B, arg=A, scalars=(N,), function="copy", args=None) -> Binding:
    return Binding((var,), CallDps(function, (arg,) if args is None else args, scalars))


def test_well_formed_graphs():
    weights = ConstantData(np.zeros(4, np.float32))
    ref = ConstantRef("w", weights.type)
    four = GraphVar("b", tensor(4))
    assert messages(graph(dps()), "defined") == []
    module = graph(dps(four, ref, (Const(4),)), results=(four,), constants={"w": weights})
    assert messages(module, "defined") == []
    doubled = GraphVar("d", tensor(N * 4 // 2))
    assert messages(graph(dps(doubled, doubled, (N * 2,)), params=(doubled,), results=(doubled,))) == [
        "main: two values are called 'd'"
    ]
    out = GraphVar("e", tensor(N + N))
    assert messages(graph(dps(out, doubled, (N * 2,)), params=(doubled,), results=(out,))) == []


def test_flat_callees_and_scratch():
    flat = Buffer("p", dims((N * 8,)))
    out, scratch = Buffer("q", dims((N * 8,))), Buffer("r", dims((3,)))
    body = For(I, Const(0), N * 8, Store(out, (I,), flat[I]))
    callee = TensorFunction("flat", (N, flat, out, scratch), body, 2, Attrs(workspace=1))
    given, result = GraphVar("a", tensor(N, 8)), GraphVar("b", tensor(2, N, 4))
    module = graph(dps(result, given, function="flat"), params=(given,), results=(result,), more=(callee,))
    assert [text for text in messages(module) if text.startswith("main")] == []
    wrong = GraphVar("b", tensor(2, N, 5))
    module = graph(dps(wrong, given, function="flat"), params=(given,), results=(wrong,), more=(callee,))
    assert any("differ in their number of elements" in text for text in messages(module))


def joined(args, *, kind=None, more=(), results=None) -> IRModule:
    """``b = copy(a)``, then a join of ``args``."""
    whole = GraphVar("j", tensor(N * len(args)) if kind is None else kind)
    return graph(dps(), Binding((whole,), Join(args, 0)), *more, results=(whole,) if results is None else results)


def test_joins():
    """One argument fills the join and keeps its strides; two rows of a matrix need functions that know theirs."""
    assert messages(joined((B,))) == []
    one, other = GraphVar("one", tensor(N, 2)), GraphVar("two", tensor(N, 3))
    both, given = GraphVar("both", tensor(N, 5)), (GraphVar("p", tensor(N, 2)), GraphVar("q", tensor(N, 3)))
    callees = []
    for name, width, step in (("first", 2, 5), ("second", 3, 5), ("dense", 3, 3)):
        x = Buffer("x", dims((N, width)))
        y = Buffer("y", dims((N, width)), strides=None if step == width else dims((step, 1)))
        body = For(I, Const(0), N, For(J, Const(0), Const(width), Store(y, (I, J), x[I, J])))
        callees.append(TensorFunction(name, (N, x, y), body))
    calls = [dps(one, given[0], function="first"), dps(other, given[1], function="second")]
    join = Binding((both,), Join((one, other), 1))
    kinds = {"params": given, "results": (both,), "more": tuple(callees)}
    assert messages(graph(*calls, join, **kinds)) == []
    calls[1] = dps(other, given[1], function="dense")
    assert messages(graph(*calls, join, **kinds)) == ["main: 'y' of 'dense' and 'two' differ in strides"]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (graph(dps(arg=C)), "the value 'c' is not defined before its use"),
        (graph(dps(), results=(C,)), "the value 'c' is not defined before its use"),
        (graph(dps(var=A)), "two values are called 'a'"),
        (graph(dps(arg=GraphVar("a", tensor(M)))), "'a' is used with another type than it is defined with"),
        (graph(dps(arg=ConstantRef("w", tensor(N)))), "there is no constant 'w'"),
        (graph(dps(function="nothing")), "'b': there is no tensor function 'nothing'"),
        (graph(dps(scalars=())), "'copy' has 1 scalars, 0 are given"),
        (graph(dps(args=(A, A))), "'copy' has 1 inputs, 2 are given"),
        (graph(dps(scalars=(N + 1,))), "'x' of 'copy' and 'a' differ in dimension 0"),
        (graph(dps(var=GraphVar("b", tensor(N, dtype=FLOAT64)))), "differ in dtype: float32 and float64"),
        (graph(Binding((B,), CallGraph("nothing", (A,)))), "there is no graph function 'nothing'"),
        (graph(Binding((B,), CallGraph("main", (A, A)))), "'main' has 1 parameters and 1 results"),
        (graph(Binding((B,), MatchShape(A, (N, M)))), "'a' has another rank"),
        (
            graph(Binding((GraphVar("b", tensor(N + 1)),), Reinterpret(A))),
            "the view and 'a' differ in their number of elements",
        ),
        (
            graph(
                Binding((GraphVar("c", tensor(4)),), Call("make", ())),
                Binding((GraphVar("b", tensor(2)),), Reinterpret(GraphVar("c", tensor(4)), Const(3))),
            ),
            "the view ends behind 'c'",
        ),
        (
            graph(Binding((GraphVar("b", tensor(N, dtype=FLOAT64)),), Reinterpret(A))),
            "the view has dtype float64, 'a' float32",
        ),
        (graph(Binding((GraphVar("b", TensorType(None, FLOAT32)),), Reinterpret(A))), "a view of unknown rank"),
        (joined((A, B)), "'a' is joined, but its memory is given by the caller"),
        (joined((B,), results=(B,)), "'b' is joined, but its memory is given by the caller"),
        (joined((B, B)), "'b' is joined 2 times: it cannot be in two places"),
        (joined((B,), more=(Binding((C,), Reinterpret(B)),)), "'b' is joined, but used by what needs it in one piece"),
        (joined((B,), kind=tensor(N + 1)), "the arguments of a join do not fill dimension 0"),
        (joined((B,), kind=tensor(N, dtype=FLOAT64)), "the arguments of a join differ in dtype or rank"),
        (joined((B,), kind=TensorType(None, FLOAT32)), "a join of what are no tensors of known rank"),
        (
            graph(Binding((B,), IfRegion(A, GraphRegion((), (), (A,)), GraphRegion((), (), (A,))))),
            "the condition has dtype float32",
        ),
        (
            graph(Binding((B,), IfRegion(FLAG, GraphRegion((), (), ()), GraphRegion((), (), (A,)))), params=(A, FLAG)),
            "a branch has 0 results for 1 names",
        ),
        (
            graph(
                Binding((B,), IfRegion(FLAG, GraphRegion((), (), (A,)), GraphRegion((), (), (C,)))), params=(A, FLAG)
            ),
            "the value 'c' is not defined before its use",
        ),
        (
            graph(Binding((B,), LoopRegion(None, None, (A,), GraphRegion((FLAG,), (), (FLAG, A))))),
            "the loop body has 1 parameters for 1 carried values",
        ),
        (
            graph(
                Binding((B,), LoopRegion(None, None, (A,), GraphRegion((C, FLAG, GraphVar("d", A.type)), (), (FLAG,))))
            ),
            "the loop body has 1 results for 1 names",
        ),
    ],
)
def test_graph_rules(module, message):
    found = messages(module)
    assert any(message in text for text in found), found


def test_constant_of_another_type():
    weights = ConstantData(np.zeros(4, np.float32))
    module = graph(dps(arg=ConstantRef("w", tensor(5)), scalars=(Const(5),)), constants={"w": weights})
    assert any("constant 'w' has another type than it is used with" in text for text in messages(module))


def test_defined_stage():
    module = graph(Binding((B,), Call("relu", (A,)), source="Relu_3"))
    assert messages(module) == []
    assert messages(module, "defined") == ["main: 'b' (from Relu_3): operator 'relu' is not defined as a function"]


def test_values_of_a_region_stay_inside():
    inner = GraphRegion((), (dps(var=C),), (C,))
    module = graph(Binding((B,), IfRegion(FLAG, inner, GraphRegion((), (), (A,)))), params=(A, FLAG), results=(C,))
    assert messages(module) == ["main: the value 'c' is not defined before its use"]


def test_verifiers_raise():
    broken = of(Evaluate(Const(0)))
    with pytest.raises(TondoError) as caught:
        require(broken)
    assert caught.value.code == "TND-B001"
    assert set(verifiers()) == {"graph", "defined", "lowered"}
    for check in verifiers().values():
        check(IRModule.of(TensorFunction("f", (N, X, Y), COPY)))
        with pytest.raises(TondoError):
            check(broken)
