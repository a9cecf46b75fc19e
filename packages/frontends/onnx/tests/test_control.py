"""If, Loop and Scan on data: values from outside, sizes that change, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tondo.diagnostics import TondoError
from tondo.ir import BindDims, IfRegion, LoopRegion, walk

F = "float32"
CODES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


def graph(nodes, inputs, outputs, **constants):
    """Return a graph; inputs and outputs are (name, dtype, shape), a shape of None is not declared."""
    values = [
        [helper.make_tensor_value_info(name, CODES[kind], shape) for name, kind, shape in entries]
        for entries in (inputs, outputs)
    ]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return helper.make_graph(list(nodes), "body", *values, stored)


def body(tools, nodes, carried, outputs, goes_on="alive", **constants):
    """Return the body of a loop whose condition is ``goes_on``."""
    head = [("i", "int64", []), ("alive", "bool", [])]
    last = tools.node("Identity", [goes_on], ["go"])
    return graph([*nodes, last], [*head, *carried], [("go", "bool", []), *outputs], **constants)


def test_values_and_sizes_of_the_graph_around(tools, rng):
    """Sizes that are needed as tensors inside of a branch are made there, and once more after it."""
    then = graph(
        [tools.node("Mul", ["x", "scale"], ["t"]), tools.node("Add", ["t", "wide"], ["u"])], [], [("u", F, None)]
    )
    orelse = graph([tools.node("Sub", ["x", "wide"], ["e"])], [], [("e", F, None)])
    nodes = [
        tools.node("Shape", ["x"], ["shape"]),
        tools.node("Cast", ["shape"], ["real"], to=TensorProto.FLOAT),
        tools.node("ReduceSum", ["real"], ["wide"], keepdims=0),
        tools.node("If", ["flag"], ["r"], then_branch=then, else_branch=orelse),
        tools.node("Add", ["r", "wide"], ["y"]),
    ]
    model = tools.model(nodes, {"flag": ("bool", ()), "x": (F, ("n", 3))}, constants={"scale": np.float32(2)})
    for flag in (True, False):
        module = tools.check(model, np.array(flag), rng.standard_normal((4, 3)).astype(F))
    assert any(isinstance(item, IfRegion) for item in walk(module.graph()))


def test_branches_of_different_sizes(tools, rng):
    then = graph([tools.node("Concat", ["x", "x"], ["t"], axis=1)], [], [("t", F, None)])
    orelse = graph([tools.node("Neg", ["x"], ["e"])], [], [("e", F, None)])
    nodes = [tools.node("If", ["flag"], ["r"], then_branch=then, else_branch=orelse), tools.node("Shape", ["r"], ["y"])]
    model = tools.model(nodes, {"flag": ("bool", (1,)), "x": (F, (2, "n"))}, ["r", "y"])
    for flag in (True, False):
        module = tools.check(model, np.array([flag]), rng.standard_normal((2, 3)).astype(F))
    rows, columns = module.graph().results[0].tensor.dims
    assert (str(rows), rows.value) == (str(rows), 2)
    assert columns != 3


@pytest.mark.parametrize("trips", [0, 1, 5])
def test_a_loop_that_carries_scans_and_grows(tools, rng, trips):
    nodes = [
        tools.node("Add", ["s", "x"], ["t"]),
        tools.node("Concat", ["c", "s"], ["longer"], axis=0),
        tools.node("Cast", ["i"], ["number"], to=TensorProto.FLOAT),
        tools.node("Mul", ["t", "number"], ["row"]),
    ]
    carried = [("s", F, [1, 2]), ("c", F, [None, 2])]
    inside = body(tools, nodes, carried, [("t", F, [1, 2]), ("longer", F, [None, 2]), ("row", F, [1, 2])])
    loop = tools.node("Loop", ["trips", "", "x", "first"], ["a", "b", "rows"], body=inside)
    inputs = {"trips": ("int64", ()), "x": (F, (1, 2)), "first": (F, ("n", 2))}
    model = tools.model([loop], inputs, ["a", "b", "rows"])
    draw = rng.standard_normal
    tools.check(model, np.array(trips), draw((1, 2)).astype(F), draw((3, 2)).astype(F))


def test_the_number_of_a_trip_is_a_size(tools, rng):
    """A slice from the number of the trip on is no copy of unknown place: its start is a dimension."""
    nodes = [
        tools.node("Unsqueeze", ["i", "axis"], ["from"]),
        tools.node("Add", ["from", "one"], ["to"]),
        tools.node("Slice", ["x", "from", "to"], ["row"]),
        tools.node("ReduceSum", ["row"], ["sum"], keepdims=0),
        tools.node("Add", ["s", "sum"], ["t"]),
    ]
    inside = body(tools, nodes, [("s", F, [])], [("t", F, [])], axis=[0], one=[1])
    loop = tools.node("Loop", ["trips", "", "zero"], ["y"], body=inside)
    constants = {"trips": np.array(4), "zero": np.float32(0)}
    module = tools.check(tools.model([loop], {"x": (F, (6, 2))}, constants=constants), rng.random((6, 2)).astype(F))
    region = next(item for item in walk(module.graph()) if isinstance(item, LoopRegion)).body
    assert isinstance(region.bindings[0].operation, BindDims)


def test_loops_are_refused_that_break_the_rules(tools):
    def code(nodes, carried, outputs, inputs=("", "", "x"), **constants):
        inside = body(tools, nodes, carried, outputs, **constants)
        names = [f"y{i}" for i in range(len(outputs))]
        model = tools.model([tools.node("Loop", inputs, names, body=inside)], {"x": (F, (2,))}, names)
        with pytest.raises(TondoError) as caught:
            tools.load(model)
        return caught.value.code, str(caught.value)

    state = [("s", F, [2])]
    kept, message = code([], state, [("s", F, [2])])
    assert (kept, "never ends" in message) == ("TND-M004", True)
    cast = [tools.node("Cast", ["s"], ["t"], to=TensorProto.INT64)]
    assert code(cast, state, [("t", "int64", [2])])[0] == "TND-M004"
    wider = [tools.node("Unsqueeze", ["s", "axis"], ["t"])]
    assert code(wider, state, [("t", F, None)], axis=[0])[0] == "TND-M003"
    assert code([], [], [("x", F, [2])], inputs=("", "", "x"))[0] == "TND-M004"


def test_branches_are_refused_that_do_not_fit(tools):
    def refused(then, orelse, names=("y",)):
        node = tools.node("If", ["flag"], names, then_branch=then, else_branch=orelse)
        model = tools.model([node], {"flag": ("bool", ()), "x": (F, (2,))}, names)
        with pytest.raises(TondoError) as caught:
            tools.load(model)
        return caught.value.code

    plain = graph([tools.node("Neg", ["x"], ["a"])], [], [("a", F, None)])
    other = graph([tools.node("Cast", ["x"], ["b"], to=TensorProto.INT64)], [], [("b", "int64", None)])
    ranked = graph([tools.node("Reshape", ["x", "to"], ["c"])], [], [("c", F, None)], to=[2, 1])
    assert refused(plain, other) == "TND-M004"
    assert refused(plain, ranked) == "TND-M003"
