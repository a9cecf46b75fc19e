"""Nodes: equality, hashes, pickling, rewriting, substitution, renaming, digests."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from tondo.diagnostics import Span, TondoError
from tondo.ir import (
    BOOL,
    FLOAT32,
    INT64,
    Attrs,
    Binary,
    Block,
    Buffer,
    Cast,
    Compare,
    Compute,
    Const,
    ConstantData,
    DType,
    For,
    IRModule,
    Load,
    Ramp,
    Range,
    Region,
    Select,
    Seq,
    Store,
    TensorFunction,
    TensorType,
    Unary,
    Var,
    add,
    all_of,
    binary,
    cast,
    ceildiv,
    compare,
    const,
    definitions,
    digest,
    dims,
    dtype,
    floordiv,
    floormod,
    freeze,
    identity,
    is_const,
    logical_and,
    logical_or,
    maximum,
    mul,
    negate,
    point,
    rebuild,
    rename,
    rewrite,
    select,
    seq,
    simplify_with,
    sub,
    substitute,
    walk,
    whole,
)

I, J, N = Var("i"), Var("j"), Var("n")
X, Y = Buffer("x", dims((N, 4))), Buffer("y", dims((N,)))


def row_sums() -> TensorFunction:
    b = Compute("row_sums")
    x = b.input("x", TensorType(dims((N, 4)), FLOAT32))
    return b.build(b.reduce("y", (N,), (4,), lambda i, k: x[i, k] * 2.0))


def test_equality_is_structural_and_ignores_spans():
    assert Var("i", span=Span("a", 1)) == I
    assert hash(Var("i", span=Span("a", 1))) == hash(I)
    assert Var("i", FLOAT32) != I
    assert Binary("add", I, Const(1)) == I + 1
    assert I + 1 != 1 + I
    assert len({I + J, I + J, J + I}) == 2
    assert Const(1) != Const(1, FLOAT32)


def test_float_literals_compare_by_bits():
    assert const(0.0) != const(-0.0)
    assert const(float("nan")) == const(float("nan"))
    assert const(1.0) == Const(1, FLOAT32)


def test_nodes_are_frozen_and_pickle():
    with pytest.raises(AttributeError):
        I.name = "j"  # type: ignore[misc]
    function = row_sums()
    again = pickle.loads(pickle.dumps(function))
    assert again == function
    assert hash(again) == hash(function)


def test_expressions_have_no_truth_value():
    with pytest.raises(TypeError, match="truth value"):
        bool(I < J)


def test_types_are_checked():
    with pytest.raises(TypeError, match="add: operands have dtypes int64 and float32"):
        Binary("add", I, const(1.0))
    with pytest.raises(TypeError, match="lt: operands"):
        Compare("lt", I, const(1.0))
    with pytest.raises(TypeError, match="select: operands"):
        Select(I < J, I, const(1.0))
    with pytest.raises(TypeError, match="select: condition"):
        Select(I, I, J)


def test_derived_dtypes():
    assert (I < J).dtype == BOOL
    assert Ramp(I, Const(1), 8).dtype == DType("int", 64, 8)
    assert Load(X, (Ramp(I, Const(1), 8), J)).dtype == DType("float", 32, 8)
    assert Cast(FLOAT32, I).dtype == FLOAT32
    assert cast(FLOAT32, Ramp(I, Const(1), 8)).dtype == dtype("float32x8")
    assert cast(INT64, I) is I


def test_builders_fold():
    assert add(I, 0) is I
    assert sub(I, 0) is I
    assert mul(I, 1) is I
    assert is_const(mul(I, 0), 0)
    assert floordiv(I, 1) is I
    assert is_const(floormod(I, 1), 0)
    assert binary("add", 2, 3) == Const(5)
    assert binary("floordiv", -7, 2) == Const(-4)
    assert binary("truncdiv", -7, 2) == Const(-3)
    assert binary("truncmod", -7, 2) == Const(-1)
    assert isinstance(binary("floordiv", 7, 0), Binary)
    assert isinstance(binary("mul", Const(2**62), Const(4)), Binary)
    assert ceildiv(Const(7), 2) == Const(4)
    assert compare("lt", 1, 2) == Const(True, BOOL)
    assert select(Const(False, BOOL), I, J) is J
    assert negate(const(2.0)) == const(-2.0)
    assert logical_and(Const(True, BOOL), I < J) == (I < J)
    assert logical_or(Const(True, BOOL), I < J) == Const(True, BOOL)
    assert all_of([]) is None
    assert all_of([I < J, J < N]) == ((I < J) & (J < N))
    assert (const(1.0) + 0.0) == Binary("add", const(1.0), const(0.0))
    assert maximum(I, I) is I
    assert ~(I < J) == Unary("not", I < J)


def test_walk_rewrite_and_rebuild():
    function = row_sums()
    names = [type(item).__name__ for item in walk(function.body)]
    assert names[:3] == ["For", "Var", "Const"]
    assert rewrite(function, lambda item: item) is function
    assert rebuild(function, lambda item: item) is function
    doubled = rewrite(function, lambda item: const(3.0) if item == const(2.0) else item)
    assert doubled != function
    assert any(item == const(3.0) for item in walk(doubled))
    folded = simplify_with(For(I, Const(0), Binary("add", Const(1), Const(2)), Store(Y, (I,), const(0.0))), _fold)
    assert folded.extent == Const(3)


def _fold(expr):
    return binary(expr.op, expr.a, expr.b) if isinstance(expr, Binary) else expr


def test_substitute_variables_buffers_and_dimensions():
    stmt = Store(Y, (I,), X[I, J])
    other = Buffer("z", dims((N, 4)))
    moved = substitute(stmt, {I: J + 1, N: Const(8)}, {X: other})
    assert moved == Store(Buffer("y", dims((8,))), (J + 1,), Load(other, (J + 1, J)))


def test_rename_and_digest():
    function = row_sums()
    counter = iter(range(1000))
    renamed = rename(function, lambda name: f"{name}_{next(counter)}", name="other")
    assert renamed.name == "other"
    assert renamed.scalars == function.scalars
    assert renamed != function
    assert set(definitions(renamed.body)[0]).isdisjoint(definitions(function.body)[0])
    assert digest(rename(function, lambda name: f"{name}_r", name=function.name)) == digest(function)
    changed = rewrite(function, lambda item: const(3.0) if item == const(2.0) else item)
    assert digest(changed) != digest(function)
    assert digest(function) == digest(pickle.loads(pickle.dumps(function)))


def test_compute_builds_nests():
    function = row_sums()
    assert [param.name for param in function.params] == ["n", "x", "y"]
    assert function.scalars == (N,)
    assert [buffer.name for buffer in function.output_buffers] == ["y"]
    (block,) = [item for item in walk(function.body) if isinstance(item, Block)]
    assert [it.kind for it in block.iters] == ["spatial", "reduction"]
    assert block.init == Store(function.output_buffers[0], (block.iters[0].var,), const(0.0))
    assert [region.buffer.name for region in block.reads] == ["x"]
    assert [region.buffer.name for region in block.writes] == ["y"]


def test_compute_checks_arity_and_makes_names_unique():
    b = Compute("f")
    x = b.input("x", TensorType(dims((4,)), FLOAT32))
    with pytest.raises(TypeError, match="stage 't' has 1 iteration variables, its function takes 2"):
        b.compute("t", (4,), lambda i, j: x[i])
    first, second = (b.compute("s", (4,), lambda i: x[i]) for _ in range(2))
    assert (first.name, second.name) == ("s", "s_1")


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int8", "uint8", "int64", "bool"])
@pytest.mark.parametrize(
    ("combiner", "function"), [("sum", np.add), ("prod", np.multiply), ("max", np.maximum), ("min", np.minimum)]
)
def test_identities_are_neutral(name, combiner, function):
    kind = dtype(name)
    if kind.is_bool and combiner in {"sum", "prod"}:
        return
    neutral = np.array(identity(combiner, kind).value).astype(kind.numpy)
    for value in np.array([0, 1, 1] if kind.is_bool else [0, 1, 100]).astype(kind.numpy):
        assert function(neutral, value) == value


def test_seq_and_regions():
    a, b = Store(Y, (I,), const(0.0)), Store(Y, (J,), const(0.0))
    assert seq(a) is a
    assert seq(seq(a, b), a) == Seq((a, b, a))
    assert point(X, (I, J)) == Region(X, (Range(I, Const(1)), Range(J, Const(1))))
    assert whole(Y) == Region(Y, (Range(Const(0), N),))
    assert X.row_major_strides() == (Const(4), Const(1))


def test_attrs():
    attrs = Attrs(axes=[1, 2], nested={"a": 1.5}, dim=N)
    assert attrs["axes"] == (1, 2)
    assert attrs["nested"] == Attrs(a=1.5)
    assert attrs == Attrs({"dim": N, "nested": {"a": 1.5}, "axes": (1, 2)})
    assert hash(attrs) == hash(Attrs({"dim": N, "nested": {"a": 1.5}, "axes": (1, 2)}))
    assert Attrs(a=1) != Attrs(a=True)
    assert attrs.without("dim").with_(axes=None) == Attrs(nested={"a": 1.5}, axes=None)
    with pytest.raises(TypeError, match="attributes cannot hold a set"):
        freeze({1})


def test_dtypes():
    for name in ("float32", "int8x16", "bool", "bfloat16", "uint4", "float8_e4m3fn", "handle", "complex64"):
        assert str(dtype(name)) == name
    assert dtype(np.dtype(np.int16)) == DType("int", 16)
    assert dtype("bfloat16").numpy.itemsize == 2
    with pytest.raises(ValueError, match="unknown dtype 'float31'"):
        dtype("float31")


def test_modules_and_constants():
    function = row_sums()
    module = IRModule.of(function)
    assert module.tensor("row_sums") is function
    assert list(module.without_functions(["row_sums"]).functions) == []
    with pytest.raises(TypeError, match="not a graph function"):
        module.graph("row_sums")
    with pytest.raises(ValueError, match="is stored as 'other'"):
        IRModule({"other": function})
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    constant = ConstantData(data)
    assert constant == ConstantData(data.copy())
    assert constant != ConstantData(data.astype(np.float64))
    assert constant != ConstantData(data + 1)
    assert constant.type == TensorType(dims((2, 3)), FLOAT32)
    with pytest.raises(ValueError, match="read-only"):
        constant.array[0, 0] = 1


def test_constants_that_differ_in_one_element_differ():
    data = np.zeros(100_003, np.float32)
    for place in (0, 1, 50_000, 100_002):
        other = data.copy()
        other[place] = 1
        assert ConstantData(data) != ConstantData(other)
    assert ConstantData(np.zeros((3, 0))) == ConstantData(np.zeros((3, 0)))
    assert ConstantData(np.array(-0.0)) != ConstantData(np.array(0.0))


def test_children_come_in_field_order_and_walk_goes_parents_first():
    i, j = Var("i"), Var("j")
    expr = (i + 1) * j
    assert expr.children() == (i + 1, j)
    assert expr.children() is expr.children()
    assert [item for item in walk(expr) if isinstance(item, Var)] == [i, j]
    assert next(iter(walk(expr))) is expr
    assert pickle.loads(pickle.dumps(expr)).children() == expr.children()


@pytest.mark.parametrize("look", [IRModule.graph, IRModule.tensor])
def test_a_function_that_is_not_there_is_an_error_with_a_code(look: Callable[[IRModule, str], object]) -> None:
    with pytest.raises(TondoError, match="the module has no function 'nobody'") as info:
        look(IRModule.of(), "nobody")
    assert info.value.code == "TND-B001"
