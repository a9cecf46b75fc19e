"""Models that mutation made: each is refused with a code, before anything large is allocated."""

from __future__ import annotations

import pytest
from onnx import helper

from tondo.diagnostics import TondoError

F = "float32"
ML = "ai.onnx.ml"


def refusal(tools, model):
    with pytest.raises(TondoError) as caught:
        tools.load(model)
    return caught.value.code


def test_negative_sizes(tools):
    node = tools.node("MaxUnpool", ["x", "i"], kernel_shape=[2, -(1 << 63)], strides=[2, 2])
    model = tools.model([node], {"x": (F, (1, 1, 2, 2)), "i": ("int64", (1, 1, 2, 2))}, opset=22)
    assert refusal(tools, model) == "TND-M004"


def test_a_past_without_dimensions(tools):
    model = tools.model([tools.node("TensorScatter", ["x", "u"])], {"x": (F, ()), "u": (F, (5,))}, opset=24)
    assert refusal(tools, model) == "TND-M004"


def test_a_column_far_away(tools):
    node = tools.node(
        "TfIdfVectorizer", ["x"], mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
        ngram_counts=[0], ngram_indexes=[1 << 31, 1], pool_int64s=[2, 3],
    )  # fmt: skip
    assert refusal(tools, tools.model([node], {"x": ("int32", (2, 6))}, opset=9)) == "TND-X002"


def test_an_operator_set_beyond_all_versions(tools):
    node = tools.node("Scaler", ["x"], domain=ML, offset=[0.0], scale=[1.0])
    model = tools.model([node], {"x": (F, (2, 3))})
    model.opset_import.append(helper.make_opsetid(ML, 1 << 40))
    assert tools.load(model).graph().results


@pytest.mark.parametrize("targets", [0, -1, 1 << 40])
def test_trees_for_too_many_targets(tools, targets):
    node = tools.node(
        "TreeEnsembleRegressor", ["x"], domain=ML, n_targets=targets, nodes_falsenodeids=[0], nodes_truenodeids=[0],
        nodes_featureids=[0], nodes_modes=["LEAF"], nodes_nodeids=[0], nodes_treeids=[0], nodes_values=[0.0],
        target_ids=[0], target_nodeids=[0], target_treeids=[0], target_weights=[1.0],
    )  # fmt: skip
    model = tools.model([node], {"x": (F, (2, 3))})
    model.opset_import.append(helper.make_opsetid(ML, 1))
    assert refusal(tools, model) == ("TND-X002" if targets > 0 else "TND-M004")


def test_vectors_of_no_classes(tools):
    node = tools.node(
        "SVMClassifier", ["x"], ["y", "p"], domain=ML, vectors_per_class=[1 << 40], support_vectors=[1.0],
        coefficients=[1.0], classlabels_ints=[0, 1], rho=[0.0],
    )  # fmt: skip
    model = tools.model([node], {"x": (F, (2, 1))}, ["y", "p"])
    model.opset_import.append(helper.make_opsetid(ML, 1))
    assert refusal(tools, model) == "TND-M004"


@pytest.mark.parametrize(("bias", "mask"), [((1, 4), (1, 4, 2, 2)), ((2,), (1, 4, 2, 2)), ((1,), (1, 3, 2, 2))])
def test_a_deformed_convolution_whose_operands_do_not_fit(tools, bias, mask):
    shapes = {"x": (1, 1, 3, 3), "w": (1, 1, 2, 2), "o": (1, 8, 2, 2), "b": bias, "m": mask}
    node = tools.node("DeformConv", list(shapes), kernel_shape=[2, 2], pads=[0, 0, 0, 0])
    model = tools.model([node], {name: (F, shape) for name, shape in shapes.items()}, opset=22)
    assert refusal(tools, model) == "TND-M006"


def test_an_operator_that_is_newer_than_the_model(tools):
    """Such models exist, so the operator is known; it takes as many inputs as it does since there is one."""
    model = tools.model([tools.node("Range", ["x"])], {"x": (F, ())}, opset=1)
    assert refusal(tools, model) == "TND-M004"


def test_outputs_of_one_name(tools):
    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, (2,))}, ["y", "y"])
    assert refusal(tools, model) == "TND-M004"


def test_a_matrix_of_images_has_no_n_grams(tools):
    node = tools.node(
        "TfIdfVectorizer", ["x"], mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
        ngram_counts=[0], ngram_indexes=[0], pool_int64s=[2],
    )  # fmt: skip
    assert refusal(tools, tools.model([node], {"x": ("int32", (2, 6, 3))}, opset=9)) == "TND-M004"


@pytest.mark.parametrize("kinds", [("int64", "uint8"), ("int32", "bool")])
def test_loops_by_numbers_of_other_types(tools, kinds):
    body = helper.make_graph(
        [tools.node("Identity", ["go"], ["still"]), tools.node("Relu", ["s"], ["t"])], "body",
        [helper.make_tensor_value_info("i", 7, []), helper.make_tensor_value_info("go", 9, []),
         helper.make_tensor_value_info("s", 1, [2])],
        [helper.make_tensor_value_info("still", 9, []), helper.make_tensor_value_info("t", 1, [2])],
    )  # fmt: skip
    inputs = {"n": (kinds[0], ()), "c": (kinds[1], ()), "x": (F, (2,))}
    model = tools.model([tools.node("Loop", ["n", "c", "x"], body=body)], inputs)
    assert refusal(tools, model) == "TND-M004"


def test_too_many_samples(tools):
    node = tools.node("RoiAlign", ["x", "r", "b"], sampling_ratio=1 << 20)
    inputs = {"x": (F, (1, 1, 10, 10)), "r": (F, (3, 4)), "b": ("int64", (3,))}
    assert refusal(tools, tools.model([node], inputs)) == "TND-M003"
