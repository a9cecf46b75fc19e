"""The smaller graph passes: common subexpressions, dead code, constants, results, definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.interp import run_graph
from tondo.ir import (
    FLOAT32,
    Binding,
    CallDps,
    Compute,
    ConstantData,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IRModule,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    dims,
    minimum,
    select,
)
from tondo.passes import PassContext
from tondo.script import parse
from tondo_passes.graph.common_subexpressions import CommonSubexpressions
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.define import Define
from tondo_passes.graph.fold_constants import FoldConstants
from tondo_passes.graph.names import NameSupply
from tondo_passes.graph.own_results import OwnResults

Same = Callable[..., None]

DOUBLE = """
@tensor_function
def double(p: "int64", x: Buffer((p, 2), "float32"), y: Buffer((p, 2), "float32")):
    for i in serial(p):
        for j in serial(2):
            with block("b"):
                vi = spatial(p, i)
                vj = spatial(2, j)
                reads(x[vi, vj])
                writes(y[vi, vj])
                y[vi, vj] = x[vi, vj] * 2
"""
T = 'Tensor((n, 2), "float32")'
C = 'Tensor((2, 2), "float32")'


def module(body: str, head: str = "", **constants: np.ndarray) -> IRModule:
    text = head + body.replace("$T", T).replace("$C", C) + DOUBLE
    return parse(text, constants={name: ConstantData(array) for name, array in constants.items()})


def values(result: IRModule) -> list[str]:
    return [var.name for binding in result.graph().bindings for var in binding.vars]


# ------------------------------------------------------------------------------------------------ common subexpressions


def test_equal_operations_are_computed_once(context: PassContext, same_meaning: Same) -> None:
    before = module(
        """
@graph_function
def main(x: $T):
    a: $T = call_dps("double", x, scalars=(n,))
    b: $T = call_dps("double", x, scalars=(n,))
    c: $T = call_dps("double", a, scalars=(n,))
    d: $T = call_dps("double", b, scalars=(n,))
    return (c, d, x)
"""
    )
    after = CommonSubexpressions().run(before, context)
    assert values(after) == ["a", "c"]
    assert [atom.name for atom in after.graph().results] == ["c", "c", "x"]
    same_meaning(before, after, n=3)
    assert CommonSubexpressions().run(after, context) == after


def test_effects_and_other_types_are_not_merged(context: PassContext) -> None:
    before = module(
        """
@graph_function
def main(x: $T):
    a: $T = call_packed("log", x, effect="io")
    b: $T = call_packed("log", x, effect="io")
    c: $T = call_packed("pure", x)
    d: $T = call_packed("pure", x)
    e: Tensor((n, 2), "int32") = call_packed("pure", x)
    return (a, b, c, d, e)
"""
    )
    assert values(CommonSubexpressions().run(before, context)) == ["a", "b", "c", "e"]


def test_constants_of_equal_contents_are_merged(context: PassContext, same_meaning: Same) -> None:
    head = """CONSTANTS = {
    "c": data("float32", (2, 2), (1.0, 2.0, 3.0, 4.0)),
    "d": data("float32", (2, 2), (1.0, 2.0, 3.0, 4.0)),
    "e": data("float32", (4,), (1.0, 2.0, 3.0, 4.0)),
    "f": data("float32", (2, 2), (1.0, 2.0, 3.0, -4.0)),
}
"""
    body = """
@graph_function
def main():
    a: $C = call_dps("double", constant("c"), scalars=(2,))
    b: $C = call_dps("double", constant("d"), scalars=(2,))
    g: $C = call_dps("double", constant("f"), scalars=(2,))
    return (a, b, g, constant("d"))
"""
    before = module(body, head)
    after = CommonSubexpressions().run(before, context)
    assert values(after) == ["a", "g"]
    assert after.graph().results[3] == ConstantRef("c", before.constants["c"].type)
    same_meaning(before, after)
    assert list(DeadCode().run(after, context).constants) == ["c", "f"]


# ------------------------------------------------------------------------------------------------ dead code


def test_what_no_result_needs_disappears(context: PassContext, same_meaning: Same) -> None:
    before = module(
        """
@graph_function
def main(x: $T, flag: Tensor((), "bool")):
    a: $T = call_dps("double", x, scalars=(n,))
    unused: $T = call_dps("double", a, scalars=(n,))
    other: $T = call_graph("helper", x)
    def then():
        u: $T = call_dps("double", a, scalars=(n,))
        v: $T = call_dps("double", x, scalars=(n,))
        return (v,)
    def orelse():
        return (x,)
    b: $T = if_region(flag, then, orelse)
    return (b,)


@graph_function
def helper(x: $T):
    return (x,)
"""
    )
    after = DeadCode().run(before, context)
    assert values(after) == ["b"]
    assert sorted(after.functions) == ["double", "main"]
    assert "u:" not in str(after.graph())
    assert len(after.graph().bindings[0].operation.then.bindings) == 1
    assert DeadCode().run(after, context) == after
    assert DeadCode().run(IRModule.of(before.tensor("double")), context).functions


def test_effects_stay_also_behind_calls_of_graphs(context: PassContext) -> None:
    before = module(
        """
@graph_function
def main(x: $T):
    a: $T = call_packed("log", x, effect="io")
    b: $T = call_graph("middle", x)
    c: $T = call_graph("pure", x)
    d: $T = call_packed("pure", x)
    return (x,)


@graph_function
def middle(x: $T):
    a: $T = call_graph("last", x)
    return (a,)


@graph_function
def last(x: $T):
    a: $T = call_packed("log", x, effect="io")
    return (a,)


@graph_function
def pure(x: $T):
    return (x,)
"""
    )
    after = DeadCode().run(before, context)
    assert values(after) == ["a", "b"]
    assert set(after.functions) == {"main", "middle", "last"}


# ------------------------------------------------------------------------------------------------ constants

CONSTANT = 'CONSTANTS = {"c": data("float32", (2, 2), (1.0, 2.0, 3.0, 4.0))}\n'


def test_constants_fold_through_calls(context: PassContext, same_meaning: Same) -> None:
    before = module(
        """
@graph_function
def main(x: $T):
    a: $C = call_dps("twice", constant("c"))
    b: $C = call_dps("twice", a)
    s: Tensor((2,), "int64") = shape_value((2, 3))
    t: Tensor((), "int64") = shape_value((7,), scalar=True)
    u: Tensor((2,), "int64") = shape_value((n, 3))
    y: $C = call_dps("double", b, scalars=(n,))
    return (b, s, t, u)


@tensor_function
def twice(x: Buffer((2, 2)), y: Buffer((2, 2))):
    for i in serial(2):
        for j in serial(2):
            y[i, j] = x[i, j] * 2
""",
        CONSTANT,
    )
    after = FoldConstants().run(before, context)
    assert values(after) == ["u", "y"]
    np.testing.assert_array_equal(after.constants["b"].array, [[4, 8], [12, 16]])
    assert after.constants["t"].array.shape == ()
    same_meaning(before, DeadCode().run(after, context), n=2)
    assert FoldConstants().run(after, context) == after


def test_folding_is_capped(context: PassContext) -> None:
    builder = Compute("expand")
    x = builder.input("x", TensorType((), FLOAT32))
    expand = builder.build(builder.compute("y", (1024, 1024), lambda i, j: x[()]))
    text = """
@graph_function
def main():
    y: Tensor((1024, 1024), "float32") = call_dps("expand", constant("c"))
    return (y,)
"""
    before = parse(f'CONSTANTS = {{"c": data("float32", (), (1.0,))}}\n{text}').with_functions([expand])
    assert FoldConstants().run(before, context) == before
    folded = FoldConstants(max_bytes=4 << 20).run(before, context)
    assert folded.constants["y"].array.shape == (1024, 1024)


@pytest.mark.parametrize(("columns", "folds"), [(1100, True), (1200, False)])
def test_weights_may_be_padded_whatever_their_size(context: PassContext, columns: int, folds: bool) -> None:
    """4 MiB of weights in panels of other widths: up to an eighth more stays a constant."""
    builder = Compute("pad")
    x = builder.input("x", TensorType(dims((1024, 1024)), FLOAT32))
    padded = builder.compute("y", (1024, columns), lambda i, j: select(j < 1024, x[i, minimum(j, 1023)], 0.0))
    weights = ConstantData(np.ones((1024, 1024), np.float32))
    value = GraphVar("y", TensorType(dims((1024, columns)), FLOAT32))
    call = CallDps("pad", (ConstantRef("c", TensorType(dims((1024, 1024)), FLOAT32)),))
    graph = GraphFunction("main", (), (Binding((value,), call),), (value,))
    before = IRModule.of(graph, builder.build(padded), constants={"c": weights})
    folded = FoldConstants(max_bytes=1 << 10).run(before, context)
    assert ("y" in folded.constants) is folds


def test_foreign_functions_are_not_run(context: PassContext) -> None:
    before = module(
        '@graph_function\ndef main():\n    y: $C = call_packed("f", constant("c"))\n    return (y,)\n', CONSTANT
    )
    assert FoldConstants().run(before, context) == before


# ------------------------------------------------------------------------------------------------ results


def test_results_are_owned_and_different(context: PassContext, same_meaning: Same) -> None:
    before = module(
        """
@graph_function
def main(x: $T, x_copy: $T):
    a: $T = call_dps("double", x, scalars=(n,))
    b: $T = match_shape(a, (n, 2))
    return (a, a, b, x, constant("c"), constant("c"))
""",
        CONSTANT,
    )
    after = OwnResults().run(before, context)
    results = [atom.name for atom in after.graph().results]
    assert results == ["a", "a_copy", "b_copy", "x_copy_1", "c_copy", "c_copy_1"]
    same_meaning(before, after, n=3)
    assert OwnResults().run(after, context) == after


# ------------------------------------------------------------------------------------------------ definitions


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    return (call.args[0],)


def _negate(call: OpCall) -> TensorFunction:
    builder = Compute("negate")
    x = builder.input("x", call.args[0])
    return builder.build(builder.compute("y", call.args[0].dims, lambda *index: -x[index]))


OPERATORS = {"negate": Operator("negate", _infer, _negate)}


def test_operators_become_functions(context: PassContext, round_trips: Callable[[IRModule], None]) -> None:
    before = module(
        """
@graph_function
def main(x: $T, flag: Tensor((), "bool")):
    a: $T = call("negate", x)
    b: $T = call("negate", a)
    s: Tensor((3,), "int64") = shape_value((n, 2, n * 2))
    e: Tensor((0,), "int64") = shape_value(())
    r: Tensor((), "int64") = shape_value((n + 1,), scalar=True)
    def then():
        u: $T = call("negate", x)
        return (u,)
    def orelse():
        return (b,)
    y: $T = if_region(flag, then, orelse)
    return (y, s, e, r)
"""
    )
    wide = PassContext(context.target, operators=OPERATORS)
    after = Define().run(before, wide)
    round_trips(after)
    first = after.graph().bindings[0].operation
    assert first == CallDps("negate", (after.graph().params[0],), tuple(after.tensor("negate").scalars))
    assert sum(name.startswith("negate") for name in after.functions) == 1
    x = np.array([[1, 2], [3, 4]], np.float32)
    y, s, e, r = run_graph(after, [x, np.array(True)], {})
    np.testing.assert_array_equal(y, -x)
    assert (s.tolist(), e.tolist(), int(r)) == ([2, 2, 4], [], 3)
    assert Define().run(after, wide) == after


def test_unknown_operators_are_listed_at_once(context: PassContext) -> None:
    before = module(
        """
@graph_function
def main(x: $T, flag: Tensor((), "bool")):
    a: $T = call("foo", x)
    b: $T = call("foo", a)
    def then():
        u: $T = call("bar", x)
        return (u,)
    def orelse():
        return (b,)
    y: $T = if_region(flag, then, orelse)
    return (y,)
"""
    )
    with pytest.raises(TondoError) as caught:
        Define().run(before, context)
    found = caught.value.diagnostics[0]
    assert (found.code, found.notes) == ("TND-M003", ("foo: used 2 times", "bar: used 1 times"))


def test_names() -> None:
    supply = NameSupply(["a", "class_"])
    assert [supply(name) for name in ("a", "a", "b", "b", "3x", "x.y", "", "class", "für")] == [
        "a_1",
        "a_2",
        "b",
        "b_1",
        "_3x",
        "x_y",
        "value",
        "class__1",
        "f_r",
    ]


@pytest.mark.parametrize(
    ("kind", "name", "requires", "ensures"),
    [
        (CommonSubexpressions, "graph.common_subexpressions", set(), set()),
        (DeadCode, "graph.dead_code", set(), set()),
        (FoldConstants, "graph.fold_constants", set(), set()),
        (OwnResults, "graph.own_results", {"defined"}, {"defined"}),
        (Define, "graph.define", set(), {"defined"}),
    ],
)
def test_declared(kind: type, name: str, requires: set[str], ensures: set[str]) -> None:
    assert (kind.name, kind.requires, kind.ensures) == (name, requires, ensures)
