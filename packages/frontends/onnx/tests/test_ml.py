"""Operators of ai.onnx.ml against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tondo.diagnostics import TondoError

ML = "ai.onnx.ml"
F32 = "float32"
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def build(tools, op, inputs, *, outputs=("y",), version=3, constants=None, **attributes):
    """Return a model of one node; ``inputs`` are (dtype, shape) by name."""
    node = tools.node(op, [*inputs, *(constants or {})], outputs, domain=ML, **attributes)
    model = tools.model([node], inputs, outputs, constants)
    model.opset_import.append(helper.make_opsetid(ML, version))
    return model


def check(tools, op, *arrays, rtol=1e-4, atol=1e-5, **options):
    inputs = {f"x{i}": (array.dtype, array.shape) for i, array in enumerate(arrays)}
    tools.check(build(tools, op, inputs, **options), *arrays, rtol=rtol, atol=atol)


# -- features


def test_scaler(tools, rng):
    x = rng.standard_normal((4, 3)).astype(F32)
    check(tools, "Scaler", x, offset=[0.5, 1.0, -2.0], scale=[2.0, 0.1, 3.0])
    check(tools, "Scaler", (x * 9).astype("int64"), offset=[0.5], scale=[2.0])


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(tools, rng, norm):
    x = np.abs(rng.standard_normal((4, 3))).astype(F32)
    x[1] = 0
    check(tools, "Normalizer", x, norm=norm)


def test_binarizer(tools, rng):
    check(tools, "Binarizer", rng.standard_normal((4, 3)).astype(F32), threshold=0.3)


def test_imputer(tools):
    x = np.array([[1, np.nan, 3], [np.nan, 5, 6]], F32)
    check(tools, "Imputer", x, imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=float("nan"))
    check(tools, "Imputer", x, imputed_value_floats=[7.0], replaced_value_float=5.0)
    check(tools, "Imputer", np.array([[1, 2], [2, 3]]), imputed_value_int64s=[9], replaced_value_int64=2)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 5), (5,)])
def test_array_feature_extractor(tools, rng, shape):
    x = rng.standard_normal(shape).astype(F32)
    inputs = {"x": (x.dtype, x.shape)}
    model = build(tools, "ArrayFeatureExtractor", inputs, constants={"picks": np.array([[0, 3, 1]])}, version=1)
    tools.check(model, x)


def test_feature_vectorizer(tools, rng):
    a, b = rng.standard_normal((3, 2)).astype(F32), rng.standard_normal((3, 4)).astype(F32)
    check(tools, "FeatureVectorizer", a, b, inputdimensions=[2, 4], version=1)
    check(tools, "FeatureVectorizer", a, b, inputdimensions=[3, 2], version=1)


def test_one_hot_encoder(tools):
    check(tools, "OneHotEncoder", np.array([[3, 1], [7, 2]]), cats_int64s=[1, 2, 3], zeros=1, version=1)
    check(tools, "OneHotEncoder", np.array([3.0, 1.0], F32), cats_int64s=[1, 2, 3], zeros=1, version=1)


def test_label_encoder(tools):
    keys, values = [4, 2, 9], [10, 20, 30]
    check(tools, "LabelEncoder", np.array([[9, 2], [5, 4]]), keys_int64s=keys, values_int64s=values, version=2)
    check(
        tools, "LabelEncoder", np.array([9, 5]), keys_int64s=keys, values_floats=[0.5, 1.5, 2.5], default_float=-7.0,
        version=2,
    )  # fmt: skip


def test_label_encoder_finds_nan(tools):
    keys = {"keys_floats": [1.5, float("nan")], "values_int64s": [5, 6]}
    model = build(tools, "LabelEncoder", {"x": (F32, (3,))}, default_int64=-3, version=4, **keys)
    (got,) = tools.run(tools.load(model), [np.array([np.nan, 1.5, 3], F32)])
    assert got.tolist() == [6, 5, -3]


@pytest.mark.parametrize("op", ["ZipMap", "DictVectorizer"])
def test_maps_are_refused(tools, op):
    inputs = {"x": (F32, (2, 3))}
    with pytest.raises(TondoError, match="maps have no counterpart"):
        tools.load(build(tools, op, inputs, version=1))


# -- linear models


@pytest.mark.parametrize("targets", [1, 3])
def test_linear_regressor(tools, rng, targets):
    x = rng.standard_normal((5, 4)).astype(F32)
    coefficients = rng.standard_normal(4 * targets).tolist()
    check(tools, "LinearRegressor", x, coefficients=coefficients, intercepts=[0.5] * targets, targets=targets)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_linear_classifier(tools, rng, transform, classes):
    x = rng.standard_normal((6, 4)).astype(F32)
    check(
        tools, "LinearClassifier", x, outputs=("y", "z"), coefficients=rng.standard_normal(4 * classes).tolist(),
        intercepts=rng.standard_normal(classes).tolist(), classlabels_ints=[5, 7, 6, 9][: max(classes, 2)],
        post_transform=transform,
    )  # fmt: skip


KERNELS = {"LINEAR": [0.0, 0.0, 0.0], "RBF": [0.3, 0.0, 0.0], "POLY": [0.5, 1.0, 3.0], "SIGMOID": [0.4, 0.2, 0.0]}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("one_class", [0, 1])
def test_svm_regressor(tools, rng, kernel, one_class):
    x = rng.standard_normal((5, 4)).astype(F32)
    check(
        tools, "SVMRegressor", x, coefficients=rng.standard_normal(6).tolist(), kernel_type=kernel,
        kernel_params=KERNELS[kernel], n_supports=6, one_class=one_class, rho=[0.3],
        support_vectors=rng.standard_normal(24).tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("probabilities", [False, True])
def test_svm_classifier(tools, rng, kernel, classes, probabilities):
    counts = [3, 2, 4][:classes]
    total, pairs = sum(counts), classes * (classes - 1) // 2
    extra = {}
    if probabilities:
        extra = {"prob_a": (-np.ones(pairs)).tolist(), "prob_b": rng.standard_normal(pairs).tolist()}
    options = {
        "outputs": ("y", "z"), "coefficients": rng.standard_normal(total * (classes - 1)).tolist(),
        "kernel_type": kernel, "kernel_params": KERNELS[kernel], "rho": rng.standard_normal(pairs).tolist(),
        "support_vectors": rng.standard_normal(total * 4).tolist(), "vectors_per_class": counts,
        "classlabels_ints": [4, 1, 8][:classes], **extra,
    }  # fmt: skip
    x = rng.standard_normal((6, 4)).astype(F32)
    if probabilities and classes > 2:
        with pytest.raises(TondoError, match="probabilities of more than two classes"):
            tools.load(build(tools, "SVMClassifier", {"x": (F32, x.shape)}, version=1, **options))
        return
    # The reference stops its iteration for probabilities early.
    check(tools, "SVMClassifier", x, version=1, atol=5e-3 if probabilities else 1e-5, **options)


# -- trees

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


class Forest:
    """Random trees in the attributes of the older operators."""

    def __init__(self, rng, trees, features, modes, depth=4, missing=False):
        self.nodes = {
            key: []
            for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing")
        }
        self.leaves = []
        self.rng, self.features, self.modes, self.missing = rng, features, modes, missing
        for tree in range(trees):
            self.count = 0
            self.grow(tree, depth)

    def grow(self, tree, depth):
        number, self.count = self.count, self.count + 1
        place = len(self.nodes["treeids"])
        leaf = depth == 0 or (depth < 3 and self.rng.random() < 0.3)
        row = {
            "treeids": tree, "nodeids": number, "featureids": 0 if leaf else int(self.rng.integers(self.features)),
            "values": 0.0 if leaf else float(self.rng.integers(-2, 3)) / 2, "truenodeids": 0, "falsenodeids": 0,
            "modes": "LEAF" if leaf else str(self.rng.choice(self.modes)),
            "missing": int(self.missing and self.rng.random() < 0.5),
        }  # fmt: skip
        for key, value in row.items():
            self.nodes[key].append(value)
        if leaf:
            self.leaves.append((tree, number))
        else:
            self.nodes["truenodeids"][place] = self.grow(tree, depth - 1)
            self.nodes["falsenodeids"][place] = self.grow(tree, depth - 1)
        return number

    def attributes(self, prefix, targets, sign=False):
        """Return the attributes; every leaf has a weight for each of ``targets``."""
        found = {f"nodes_{key}": value for key, value in self.nodes.items() if key != "missing"}
        found["nodes_missing_value_tracks_true"] = self.nodes["missing"]
        keys = [(tree, node, target) for tree, node in self.leaves for target in targets]
        weights = self.rng.standard_normal(len(keys))
        found.update(
            {
                f"{prefix}_treeids": [key[0] for key in keys],
                f"{prefix}_nodeids": [key[1] for key in keys],
                f"{prefix}_ids": [key[2] for key in keys],
                f"{prefix}_weights": (np.abs(weights) / 4 if sign else weights).tolist(),
            }
        )
        return found


def features_of(rng, rows=9, missing=False):
    x = (rng.integers(-4, 5, (rows, 3)) / 2).astype(F32)
    if missing:
        x[rng.random(x.shape) < 0.3] = np.nan
    return x


@pytest.mark.parametrize("modes", [MODES[:1], MODES])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("how", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("targets", [1, 3])
def test_tree_regressor(tools, rng, modes, missing, how, targets):
    forest = Forest(rng, 5, 3, modes, missing=missing)
    attributes = forest.attributes("target", range(targets))
    if how == "SUM":
        attributes["base_values"] = rng.standard_normal(targets).tolist()
    x = features_of(rng, missing=missing)
    check(tools, "TreeEnsembleRegressor", x, n_targets=targets, aggregate_function=how, **attributes)


def test_trees_of_double_precision(tools, rng):
    from onnx import numpy_helper

    forest = Forest(rng, 3, 3, MODES[:1])
    attributes = forest.attributes("target", [0])
    for name in ("nodes_values", "target_weights"):
        attributes[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(attributes.pop(name)), name)
    x = features_of(rng).astype("float64")
    check(tools, "TreeEnsembleRegressor", x, n_targets=1, **attributes)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("base", [False, True])
def test_tree_classifier_of_several_classes(tools, rng, transform, base):
    attributes = Forest(rng, 4, 3, MODES[:2]).attributes("class", range(3))
    if base:
        attributes["base_values"] = [0.1, 0.2, -0.4]
    check(
        tools, "TreeEnsembleClassifier", features_of(rng), outputs=("y", "z"), classlabels_int64s=[7, 3, 5],
        post_transform=transform, **attributes,
    )  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize("target", [0, 1])
def test_tree_classifier_of_two_classes(tools, rng, transform, positive, base, target):
    attributes = Forest(rng, 4, 3, MODES[:1]).attributes("class", [target], sign=positive)
    if base:
        attributes["base_values"] = [0.3]
    check(
        tools, "TreeEnsembleClassifier", features_of(rng), outputs=("y", "z"), classlabels_int64s=[3, 8],
        post_transform=transform, **attributes,
    )  # fmt: skip


def test_trees_that_are_broken_are_refused(tools, rng):
    attributes = Forest(rng, 1, 3, MODES[:1]).attributes("target", [0])
    attributes["nodes_truenodeids"] = [0 for _ in attributes["nodes_truenodeids"]]
    inputs = {"x": (F32, (2, 3))}
    with pytest.raises(TondoError, match="cycle"):
        tools.load(build(tools, "TreeEnsembleRegressor", inputs, n_targets=1, **attributes))
    attributes["nodes_truenodeids"] = [99 for _ in attributes["nodes_truenodeids"]]
    with pytest.raises(TondoError, match="has no node 99"):
        tools.load(build(tools, "TreeEnsembleRegressor", inputs, n_targets=1, **attributes))
