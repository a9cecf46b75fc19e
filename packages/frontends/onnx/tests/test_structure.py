"""Names, order, functions, control flow, invalid models, the listing of what is not supported."""

from __future__ import annotations

import keyword

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tondo.diagnostics import TondoError
from tondo.ir import ConstantRef, GraphVar, IfRegion
from tondo.script import parse, script
from tondo_onnx import Limits, OnnxFrontend

F = "float32"


def _refused(tools, model, code, **options):
    with pytest.raises(TondoError) as caught:
        tools.load(model, **options)
    assert caught.value.code == code, str(caught.value)
    return str(caught.value)


def test_names_are_identifiers_and_the_model_keeps_its_own(tools):
    nodes = [tools.node("Relu", ["in.put:0"], ["class"], name="layer/relu"), tools.node("Neg", ["class"], ["out/put"])]
    model = tools.model(nodes, {"in.put:0": (F, ("batch", "in_put_0"))}, ["out/put"])
    module = tools.load(model)
    graph = module.graph()
    names = [param.name for param in graph.params] + [var.name for binding in graph.bindings for var in binding.vars]
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in names)
    assert len(set(names) | {"batch", "in_put_0"}) == len(names) + 2
    assert graph.attrs["input_names"] == ("in.put:0",)
    assert graph.attrs["output_names"] == ("out/put",)
    assert [binding.source for binding in graph.bindings] == ["layer/relu", "Neg#1"]


def test_imported_modules_print_and_parse_back(tools, rng):
    nodes = [tools.node("Conv", ["x", "w"], ["a"], auto_pad="SAME_UPPER", strides=[2, 2]), tools.node("Flatten", ["a"])]
    model = tools.model(nodes, {"x": (F, ("n", 3, "h", 8))}, constants={"w": rng.normal(size=(4, 3, 3, 3)).astype(F)})
    module = tools.load(model)
    assert parse(script(module), constants=module.constants) == module


def test_initialisers_listed_as_inputs_are_constants(tools, rng):
    model = tools.model(
        [tools.node("Add", ["x", "w"])], {"x": (F, (2,)), "w": (F, (2,))}, constants={"w": np.ones(2, F)}
    )
    graph = tools.load(model).graph()
    assert [param.name for param in graph.params] == ["x"]
    assert isinstance(graph.bindings[0].operation.args[1], ConstantRef)


def test_results_may_be_inputs_and_constants(tools):
    model = tools.model(
        [tools.node("Identity", ["x"]), tools.node("Identity", ["c"], ["z"])],
        {"x": (F, (2,))},
        ["y", "z"],
        {"c": np.ones(3, F)},
    )
    graph = tools.load(model).graph()
    assert isinstance(graph.results[0], GraphVar)
    assert graph.results[0] == graph.params[0]
    assert isinstance(graph.results[1], ConstantRef)


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        ({"value_float": 1.5}, np.float32(1.5)),
        ({"value_int": 3}, np.int64(3)),
        ({"value_floats": [1.0, 2.0]}, np.array([1, 2], F)),
        ({"value_ints": [1, 2]}, np.array([1, 2])),
        ({"value": numpy_helper.from_array(np.eye(2))}, np.eye(2)),
    ],
)
def test_constant_nodes(tools, attributes, value):
    module = tools.load(tools.model([tools.node("Constant", [], **attributes)], {}))
    (got,) = tools.run(module, [])
    assert got.dtype == value.dtype
    np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize(
    "kind",
    [
        "bool",
        "int4",
        "uint4",
        "int8",
        "uint16",
        "int32",
        "uint64",
        "float16",
        "bfloat16",
        "float8_e4m3fn",
        "float8_e5m2",
        "float64",
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_tensors_of_every_dtype(tools, kind, raw):
    import ml_dtypes

    dtype = np.dtype(kind) if not hasattr(ml_dtypes, kind) else np.dtype(getattr(ml_dtypes, kind))
    values = np.array([0, 1, 3, 2, 1]).astype(dtype)
    tensor = numpy_helper.from_array(values, "c")
    if not raw:
        as_ints = {"float16": values.view(np.uint16), "bfloat16": values.view(np.uint16)} if dtype.itemsize == 2 else {}
        stored = as_ints.get(kind, values)
        tensor = helper.make_tensor(
            "c",
            tensor.data_type,
            [5],
            stored.astype(np.float64).tolist()
            if kind in {"int4", "uint4", "float8_e4m3fn", "float8_e5m2"}
            else (values.astype(np.float64).tolist() if kind in {"float16", "bfloat16"} else stored.tolist()),
        )
    model = tools.model([tools.node("Identity", ["c"])], {})
    model.graph.initializer.append(tensor)
    module = tools.load(model)
    (result,) = module.graph().results
    assert str(result.tensor.dtype) == kind
    np.testing.assert_array_equal(module.constants[result.name].array.astype(np.float64), values.astype(np.float64))


def test_nodes_are_sorted_where_needed(tools, rng):
    model = tools.model([tools.node("Neg", ["a"]), tools.node("Relu", ["x"], ["a"])], {"x": (F, (3,))})
    x = rng.normal(size=3).astype(F)
    np.testing.assert_array_equal(tools.run(tools.load(model), [x])[0], -np.maximum(x, 0))


def test_cycles_double_definitions_and_missing_inputs(tools):
    inputs = {"x": (F, (3,))}
    assert "depends on its own result" in _refused(
        tools,
        tools.model([tools.node("Neg", ["b"], ["a"]), tools.node("Neg", ["a"], ["b"])], inputs, ["a"]),
        "TND-M004",
    )
    assert "defined already" in _refused(
        tools, tools.model([tools.node("Neg", ["x"]), tools.node("Relu", ["x"])], inputs), "TND-M004"
    )
    assert "'gone' is used by node 'Add#0'" in _refused(
        tools, tools.model([tools.node("Add", ["x", "gone"])], inputs), "TND-M004"
    )
    assert "output 'y'" in _refused(tools, tools.model([tools.node("Neg", ["x"], ["z"])], inputs), "TND-M004")


def test_wrong_arguments_name_the_node(tools):
    model = tools.model([tools.node("MatMul", ["a", "b"], name="bad")], {"a": (F, (2, 3)), "b": (F, (4, 5))})
    assert "at node 'bad' (MatMul)" in _refused(tools, model, "TND-M006")


def test_everything_unsupported_is_listed_at_once(tools):
    nodes = [
        tools.node("Puzzle", ["x"], ["a"], name="u1"),
        tools.node("Puzzle", ["x"], ["b"], name="u2"),
        tools.node("Add", ["a", "b"], ["c"]),
        tools.node("Riddle", ["c"], ["d"], name="after"),
        tools.node("Mystery", ["d"], domain="com.vendor", name="m"),
    ]
    text = _refused(tools, tools.model(nodes, {"x": (F, (3, 3))}, domains=["com.vendor"]), "TND-M003")
    assert "4 nodes cannot be imported" in text
    assert "Puzzle (opset 17): unknown operator (2x: 'u1', 'u2')" in text
    assert "'after'" in text
    assert "com.vendor.Mystery (opset 1)" in text


def test_operators_that_no_plugin_brings_are_listed(tools):
    from tondo.plugin import LoadOptions

    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, (3,))})
    with pytest.raises(TondoError, match="no installed plugin provides the operator 'relu'"):
        OnnxFrontend().load(model, LoadOptions())


def test_operator_sets_newer_than_known_are_refused(tools):
    assert "newest supported" in _refused(
        tools, tools.model([tools.node("Relu", ["x"])], {"x": (F, (3,))}, opset=99), "TND-M003"
    )


def test_sparse_tensors_are_refused(tools):
    model = tools.model([tools.node("Identity", ["x"])], {"x": (F, (3,))})
    sparse = model.graph.sparse_initializer.add()
    sparse.values.name = "s"
    assert "sparse" in _refused(tools, model, "TND-M003")


def test_texts_are_refused_by_operators_on_tensors(tools):
    text = tools.model([tools.node("Relu", ["t"])], {})
    text.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"a"]))
    assert "it cannot work on text" in _refused(tools, text, "TND-M003")


def test_functions_of_the_model_are_inlined_with_attributes(tools, rng):
    inner = helper.make_node("LeakyRelu", ["a"], ["b"])
    inner.attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    function = helper.make_function(
        "my",
        "Act",
        ["a", "bias"],
        ["c"],
        [inner, helper.make_node("Add", ["b", "bias"], ["c"])],
        [helper.make_opsetid("", 17)],
        ["slope"],
    )
    nodes = [
        helper.make_node("Act", ["x", "k"], ["h"], domain="my", slope=0.25, name="first"),
        tools.node("Act", ["h", "k"], domain="my", slope=0.5),
    ]
    model = tools.model(nodes, {"x": (F, ("n",)), "k": (F, (1,))}, functions=[function], domains=["my"])
    x, k = rng.normal(size=4).astype(F), np.ones(1, F)
    module = tools.check(model, x, k)
    assert module.graph().bindings[0].source == "first/LeakyRelu#0"
    assert [
        binding.operation.attrs.get("alpha")
        for binding in module.graph().bindings
        if binding.operation.op == "leaky_relu"
    ] == [0.25, 0.5]


def test_functions_that_call_themselves_are_refused(tools):
    function = helper.make_function(
        "my",
        "Loop",
        ["a"],
        ["b"],
        [helper.make_node("Loop", ["a"], ["b"], domain="my")],
        [helper.make_opsetid("my", 1)],
    )
    model = tools.model(
        [tools.node("Loop", ["x"], domain="my")], {"x": (F, (1,))}, functions=[function], domains=["my"]
    )
    assert "must not call themselves" in _refused(tools, model, "TND-X002")


def _branch(tools, op, name):
    return helper.make_graph([tools.node(op, ["x"], ["r"])], name, [], [helper.make_empty_tensor_value_info("r")])


@pytest.mark.parametrize("value", [True, False])
def test_known_conditions_choose_a_branch(tools, rng, value):
    node = tools.node("If", ["c"], then_branch=_branch(tools, "Relu", "t"), else_branch=_branch(tools, "Neg", "e"))
    module = tools.load(tools.model([node], {"x": (F, (3,))}, constants={"c": np.array(value)}))
    assert [binding.operation.op for binding in module.graph().bindings] == ["relu" if value else "neg"]


def test_conditions_on_sizes_are_decided_where_possible(tools):
    nodes = [
        tools.node("Size", ["x"], ["s"]),
        tools.node("Greater", ["s", "zero"], ["c"]),
        tools.node("If", ["c"], then_branch=_branch(tools, "Relu", "t"), else_branch=_branch(tools, "Neg", "e")),
    ]
    module = tools.load(tools.model(nodes, {"x": (F, ("n", "m"))}, constants={"zero": np.int64(0)}))
    assert [binding.operation.op for binding in module.graph().bindings] == ["relu"]
    live = tools.load(tools.model([nodes[2]], {"x": (F, (3,)), "c": ("bool", ())})).graph()
    assert isinstance(live.bindings[0].operation, IfRegion)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"z": (1,)}, "TND-U001"),
        ({"x": (1, 2)}, "TND-U002"),
        ({"x": ("not a name",)}, "TND-U005"),
        ({"x": (-1,)}, "TND-U005"),
    ],
)
def test_wrong_overrides(tools, inputs, code):
    _refused(tools, tools.model([tools.node("Relu", ["x"])], {"x": (F, (3,))}), code, inputs=inputs)


@pytest.mark.parametrize("limits", [Limits(nodes=1), Limits(rank=1), Limits(dim=2), Limits(elements=3)])
def test_limits(tools, limits):
    nodes = [tools.node("Relu", ["x"], ["a"]), tools.node("Add", ["a", "c"])]
    model = tools.model(nodes, {"x": (F, (2, 3))}, constants={"c": np.ones((2, 3), F)})
    _refused(tools, model, "TND-X002", limits=limits)


def test_a_limit_names_the_option_that_raises_it(tools):
    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, (2, 3))})
    assert "limits: {rank: 2}" in _refused(tools, model, "TND-X002", limits=Limits(rank=1))


def test_sizes_that_overflow(tools):
    _refused(tools, tools.model([tools.node("Relu", ["x"])], {"x": (F, (1 << 40, 1 << 30))}), "TND-X003")
    shape = np.array([1 << 40, 1 << 40])
    nodes = [tools.node("Expand", ["x", "shape"])]
    _refused(tools, tools.model(nodes, {"x": (F, (1,))}, constants={"shape": shape}), "TND-X003")


def test_numbers_of_inputs_and_outputs(tools):
    model = tools.model([tools.node("Relu", ["x", "x"])], {"x": (F, (2,))})
    assert "has 2 inputs, Relu has 1" in _refused(tools, model, "TND-M004")
    model = tools.model([tools.node("LSTM", ["x"])], {"x": (F, (2, 3, 4))})
    assert "has 1 inputs, LSTM has 3 to 8" in _refused(tools, model, "TND-M004")


def test_a_bounded_dimension_must_be_one_of_the_model(tools):
    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, ("batch", 2))})
    assert "did you mean 'batch'" in _refused(tools, model, "TND-U001", dimensions={"bach": (1, 4)})


def test_damaged_tensors(tools):
    model = tools.model([tools.node("Identity", ["c"])], {}, constants={"c": np.ones(4, F)})
    model.graph.initializer[0].raw_data = b"\0" * 15
    assert "15 bytes of data" in _refused(tools, model, "TND-M004")
    model.graph.initializer[0].ClearField("raw_data")
    assert "0 entries of float_data" in _refused(tools, model, "TND-M004")
    model.graph.initializer[0].dims[0] = -4
    assert "negative dimension" in _refused(tools, model, "TND-M004")


def test_wrong_attribute_types(tools):
    model = tools.model([tools.node("Concat", ["x", "x"], axis="one")], {"x": (F, (2,))})
    assert "is a STRING, not a INT" in _refused(tools, model, "TND-M004")


def test_limits_are_raised_by_an_option(tools):
    nodes = [tools.node("Relu", ["x"], ["a"]), tools.node("Relu", ["a"])]
    model = tools.model(nodes, {"x": (F, (3,))})
    tools.load(model, limits=Limits(nodes=1), options={"limits": {"nodes": 2}})
    _refused(tools, model, "TND-X002", options={"limits": {"nodes": 1}})


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"limit": {}}, "TND-C002"),
        ({"limits": {"nods": 1}}, "TND-C002"),
        ({"limits": {"nodes": 0}}, "TND-C001"),
        ({"limits": {"nodes": True}}, "TND-C001"),
        ({"limits": 3}, "TND-C001"),
    ],
)
def test_options_are_checked(tools, options, code):
    _refused(tools, tools.model([tools.node("Relu", ["x"])], {"x": (F, (3,))}), code, options=options)


def test_bytes_computed_at_import_are_limited(tools):
    nodes = [tools.node("Add", ["k", "k"], [f"t{i}"]) for i in range(8)]
    nodes += [tools.node("Sum", [f"t{i}" for i in range(8)], ["s"]), tools.node("Add", ["x", "s"])]
    model = tools.model(nodes, {"x": ("int64", (100,))}, constants={"k": np.arange(100)})
    tools.load(model)
    _refused(tools, model, "TND-X002", limits=Limits(folded_bytes=2000))
