"""Shapes that a model computes become attributes; symbolic sizes survive to the result types."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.ir import Call, ShapeValue, Var

F = "float32"


def _ints(**values):
    return {name: np.array(value, np.int64) for name, value in values.items()}


def test_shape_arithmetic_leaves_no_bindings(tools, rng):
    nodes = [
        tools.node("Shape", ["x"], ["s"]),
        tools.node("Gather", ["s", "zero"], ["n"]),
        tools.node("Gather", ["s", "one"], ["m"]),
        tools.node("Mul", ["n", "m"], ["nm"]),
        tools.node("Unsqueeze", ["nm", "axes"], ["u"]),
        tools.node("Concat", ["u", "minus"], ["target"], axis=0),
        tools.node("Reshape", ["x", "target"]),
    ]
    model = tools.model(nodes, {"x": (F, ("n", "m", 6))}, constants=_ints(zero=0, one=1, axes=[0], minus=[-1]))
    module = tools.check(model, rng.normal(size=(2, 3, 6)).astype(F))
    assert [binding.operation.op for binding in module.graph().bindings] == ["reshape"]
    assert repr(module.graph().results[0].tensor.dims[1]) == repr(module.graph().params[0].tensor.dims[2])


def test_expand_through_where_and_equal(tools, rng):
    """The pattern by which exporters write Expand with -1 for sizes to keep."""
    nodes = [
        tools.node("Shape", ["ref"], ["s"]),
        tools.node("Equal", ["wanted", "minus"], ["keep"]),
        tools.node("Where", ["keep", "s", "wanted"], ["shape"]),
        tools.node("Expand", ["x", "shape"]),
    ]
    model = tools.model(nodes, {"x": (F, (1, 4)), "ref": (F, ("n", 4))}, constants=_ints(wanted=[-1, 4], minus=-1))
    module = tools.check(model, rng.normal(size=(1, 4)).astype(F), rng.normal(size=(3, 4)).astype(F))
    assert module.graph().results[0].tensor.dims[0] == Var("n")


def test_float_detour_of_resize_sizes(tools, rng):
    """Old exporters compute sizes in floats: cast, multiply, floor, cast back."""
    nodes = [
        tools.node("Shape", ["x"], ["s"]),
        tools.node("Slice", ["s", "two", "four"], ["hw"]),
        tools.node("Cast", ["hw"], ["f"], to=1),
        tools.node("Mul", ["f", "factor"], ["g"]),
        tools.node("Floor", ["g"], ["h"]),
        tools.node("Cast", ["h"], ["i"], to=7),
        tools.node("Slice", ["s", "zero", "two"], ["nc"]),
        tools.node("Concat", ["nc", "i"], ["z"], axis=0),
        tools.node(
            "Resize",
            ["x", "", "", "z"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
    ]
    constants = {**_ints(zero=[0], two=[2], four=[4]), "factor": np.array([2, 1.5], F)}
    model = tools.model(nodes, {"x": (F, ("n", 1, "h", "w"))}, constants=constants)
    for size in (3, 4):
        tools.check(model, rng.normal(size=(2, 1, size, size)).astype(F))


def test_sizes_as_data_become_shape_values(tools):
    nodes = [
        tools.node("Shape", ["x"], ["s"]),
        tools.node("Cast", ["s"], ["f"], to=1),
        tools.node("Div", ["f", "eight"], ["y"]),
        tools.node("Add", ["s", "v"], ["z"]),
    ]
    model = tools.model(nodes, {"x": (F, ("n", "m")), "v": ("int64", (2,))}, ["y", "z"], {"eight": np.float32(8)})
    module = tools.check(model, np.zeros((3, 5), F), np.array([1, 2]))
    assert any(isinstance(binding.operation, ShapeValue) for binding in module.graph().bindings)


def test_range_over_a_symbol(tools):
    nodes = [
        tools.node("Shape", ["x"], ["s"]),
        tools.node("Squeeze", ["s"], ["n"]),
        tools.node("Range", ["two", "n", "three"]),
    ]
    model = tools.model(nodes, {"x": (F, ("n",))}, constants=_ints(two=2, three=3))
    for size in (1, 2, 3, 9):
        tools.check(model, np.zeros(size, F))


def test_slice_by_symbols(tools, rng):
    nodes = [
        tools.node("Shape", ["x"], ["s"]),
        tools.node("Sub", ["s", "one"], ["last"]),
        tools.node("Slice", ["x", "last", "s", "axis"], ["a"]),
        tools.node("Slice", ["table", "zero", "s", "axis"], ["b"]),
    ]
    constants = {**_ints(one=[1], axis=[0], zero=[0]), "table": np.arange(8, dtype=F)}
    model = tools.model(nodes, {"x": (F, ("n",))}, ["a", "b"], constants)
    for size in (1, 4, 8):
        tools.check(model, rng.normal(size=size).astype(F))


def test_broadcast_of_different_sizes_is_checked_at_run_time(tools, rng):
    model = tools.model([tools.node("Add", ["a", "b"])], {"a": (F, ("n", 3)), "b": (F, ("m", 3))})
    module = tools.load(model)
    a = rng.normal(size=(2, 3)).astype(F)
    np.testing.assert_allclose(tools.run(module, [a, a])[0], a + a)
    with pytest.raises(TondoError):
        tools.run(module, [a, rng.normal(size=(4, 3)).astype(F)])


def test_overrides_make_a_fixed_batch_symbolic(tools, rng):
    nodes = [tools.node("Reshape", ["x", "flat"], ["a"]), tools.node("MatMul", ["a", "w"])]
    model = tools.model(
        nodes, {"x": (F, (1, 2, 3))}, constants={**_ints(flat=[1, 6]), "w": rng.normal(size=(6, 4)).astype(F)}
    )
    module = tools.load(model, inputs={"x": ("batch", 2, 3)})
    assert module.graph().results[0].tensor.dims[0] == Var("batch")
    x = rng.normal(size=(5, 2, 3)).astype(F)
    np.testing.assert_allclose(tools.run(module, [x])[0], x.reshape(5, 6) @ module.constants["w"].array, rtol=1e-5)


def test_overrides_fix_a_symbol_and_bounds_of_one_value_do_too(tools):
    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, ("n", "m"))})
    fixed = tools.load(model, inputs={"x": (4, "m")})
    assert [getattr(extent, "value", None) for extent in fixed.graph().results[0].tensor.dims] == [4, None]
    bounded = tools.load(model, dimensions={"n": (3, 3)})
    assert bounded.graph().results[0].tensor.dims[0].value == 3


def test_formulas_of_symbols_in_inputs(tools):
    model = tools.model(
        [tools.node("Relu", ["b"])], {"a": (F, ("past",)), "b": (F, ("past + 1",)), "c": (F, ("not a formula",))}
    )
    types = [param.tensor.dims[0] for param in tools.load(model).graph().params]
    assert types[1] == Var("past") + 1
    assert types[2] == Var("not_a_formula")


def test_unknown_dimensions_get_names(tools):
    model = tools.model([tools.node("Relu", ["data"])], {"data": (F, (None, 3))})
    assert tools.load(model).graph().params[0].tensor.dims[0] == Var("data_d0")


def test_unknown_rank_needs_a_shape(tools):
    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, (2,))})
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(TondoError) as caught:
        tools.load(model)
    assert caught.value.code == "TND-M005"
    assert tools.load(model, inputs={"x": ("n", 2)}).graph().results[0].tensor.rank == 2


@settings(derandomize=True, deadline=None, max_examples=40)
@given(data=st.data())
def test_random_shape_arithmetic(tools, data):
    """Sizes computed by random integer operations equal what onnxruntime computes."""
    nodes = [tools.node("Shape", ["x"], ["v0"]), tools.node("Shape", ["x"], ["v1"])]
    count = 2
    for _ in range(data.draw(st.integers(1, 6))):
        a, b = (f"v{data.draw(st.integers(0, count - 1))}" for _ in range(2))
        op = data.draw(st.sampled_from(["Add", "Mul", "Min", "Max", "Div", "Where", "AddOne"]))
        if op == "Where":
            nodes += [
                tools.node("Less", [a, b], [f"c{count}"]),
                tools.node("Where", [f"c{count}", a, b], [f"v{count}"]),
            ]
        elif op == "AddOne":
            nodes.append(tools.node("Add", [a, "k"], [f"v{count}"]))
        else:
            nodes.append(tools.node(op, [a, b], [f"v{count}"]))
        count += 1
    nodes.append(tools.node("Identity", [f"v{count - 1}"]))
    model = tools.model(nodes, {"x": (F, ("n", "m"))}, constants=_ints(k=[1, 2]))
    module = tools.check(model, np.zeros((2, 3), F))
    assert all(
        not isinstance(binding.operation, Call) or binding.operation.op != "add" for binding in module.graph().bindings
    )
    assert isinstance(model, onnx.ModelProto)


@pytest.mark.parametrize(
    ("op", "attributes", "inputs", "constants", "right", "wrong"),
    [
        ("Reshape", {}, {"x": (F, ("n", 5))}, _ints(shape=[10, 4]), [(8, 5)], [(2, 5)]),
        ("Reshape", {}, {"x": (F, ("n", 5))}, _ints(shape=[-1, 4]), [(8, 5)], [(2, 5)]),
        ("Squeeze", {}, {"x": (F, ("n", 5))}, _ints(axes=[0]), [(1, 5)], [(2, 5)]),
        ("Expand", {}, {"x": (F, (3, "n"))}, _ints(shape=[3, 4]), [(3, 4)], [(3, 2)]),
        ("PRelu", {}, {"x": (F, (3, 1)), "s": (F, ("n",))}, {}, [(3, 1), (1,)], [(3, 1), (4,)]),
        ("Gemm", {}, {"a": (F, (2, 3)), "b": (F, (3, 4)), "c": (F, ("n", "m"))}, {}, [(2, 3), (3, 4), (2, 4)],
         [(2, 3), (3, 4), (2, 3)]),
        ("LayerNormalization", {}, {"x": (F, (2, 3)), "s": (F, ("n",))}, {}, [(2, 3), (3,)], [(2, 3), (2,)]),
        ("Einsum", {"equation": "ij,jk->ik"}, {"a": (F, (2, "n")), "b": (F, ("m", 3))}, {}, [(2, 4), (4, 3)],
         [(2, 4), (5, 3)]),
    ],
)  # fmt: skip
def test_sizes_that_have_to_be_equal_are_compared(tools, rng, op, attributes, inputs, constants, right, wrong):
    model = tools.model([tools.node(op, [*inputs, *constants], **attributes)], inputs, constants=constants)
    module = tools.check(model, *[rng.normal(size=shape).astype(F) for shape in right])
    with pytest.raises(TondoError):
        tools.run(module, [rng.normal(size=shape).astype(F) for shape in wrong])


def test_indices_beyond_the_other_axes_stay_inside(tools, rng):
    """The rows of the indices may be more than the data has, though that is not valid: nothing outside is touched."""
    x, indices = rng.normal(size=(2, 3)).astype(F), np.zeros((4, 2), np.int64)
    inputs = {"x": (F, ("n", 3)), "i": ("int64", ("k", 2))}
    gather = tools.load(tools.model([tools.node("GatherElements", ["x", "i"], axis=1)], inputs))
    (found,) = tools.run(gather, [x, indices])
    np.testing.assert_array_equal(found, x[[0, 1, 1, 1]][:, [0, 0]])
    scatter = tools.load(
        tools.model([tools.node("ScatterElements", ["x", "i", "u"], axis=1)], {**inputs, "u": (F, ("k", 2))})
    )
    (found,) = tools.run(scatter, [x, indices, np.ones((4, 2), F)])
    np.testing.assert_array_equal(found, np.concatenate([np.ones((2, 1), F), x[:, 1:]], 1))


@pytest.mark.parametrize(
    ("shape", "size", "wanted"),
    [((3, "n"), (3, 1), [3, 4]), ((3, "n"), (3, 4), [3, 4]), ((3, "n"), (3, 4), [1, 1]), ((3, 1), (3, 1), [2, 1, 6]),
     (("n", 4), (3, 4), [1, 4]), (("n", 4), (1, 4), [5, 1])],
)  # fmt: skip
def test_expansion_to_sizes_of_the_call(tools, rng, shape, size, wanted):
    """Either side of broadcasting may turn out as 1."""
    model = tools.model([tools.node("Expand", ["x", "s"])], {"x": (F, shape), "s": ("int64", (len(wanted),))})
    tools.check(model, rng.normal(size=size).astype(F), np.array(wanted))
