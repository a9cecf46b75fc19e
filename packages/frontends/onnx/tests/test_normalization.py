"""Normalisation operators, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

F = "float32"


@pytest.mark.parametrize(("opset", "attributes"), [(6, {"is_test": 1}), (7, {}), (9, {}), (15, {"epsilon": 1e-3})])
def test_batch_norm(tools, rng, opset, attributes):
    constants = {name: rng.uniform(0.5, 2, 3).astype(F) for name in "sbmv"}
    model = tools.model(
        [tools.node("BatchNormalization", ["x", *"sbmv"], **attributes)],
        {"x": (F, ("n", 3, 4))},
        constants=constants,
        opset=opset,
    )
    x = rng.normal(size=(2, 3, 4)).astype(F)
    (got,) = tools.run(tools.load(model), [x])
    s, b, m, v = (constants[name][:, None] for name in "sbmv")
    np.testing.assert_allclose(
        got, (x - m) / np.sqrt(v + attributes.get("epsilon", 1e-5)) * s + b, rtol=1e-4, atol=1e-5
    )


def test_old_batch_norm_per_element(tools, rng):
    constants = {name: rng.uniform(0.5, 2, (3, 4)).astype(F) for name in "sbmv"}
    node = tools.node("BatchNormalization", ["x", *"sbmv"], spatial=0)
    model = tools.model([node], {"x": (F, (2, 3, 4))}, constants=constants, opset=7)
    x = rng.normal(size=(2, 3, 4)).astype(F)
    (got,) = tools.run(tools.load(model), [x])
    s, b, m, v = (constants[name] for name in "sbmv")
    np.testing.assert_allclose(got, (x - m) / np.sqrt(v + 1e-5) * s + b, rtol=1e-4, atol=1e-5)


def test_layer_norm_with_statistics(tools, rng):
    constants = {"s": rng.normal(size=(3, 4)).astype(F), "b": rng.normal(size=(3, 4)).astype(F)}
    node = tools.node("LayerNormalization", ["x", "s", "b"], ["y", "mean", "inv"], axis=1)
    model = tools.model([node], {"x": (F, ("n", 3, 4))}, ["y", "mean", "inv"], constants)
    tools.check(model, rng.normal(size=(2, 3, 4)).astype(F))


@pytest.mark.parametrize("opset", [18, 21])
def test_group_norm_parameters_per_group_and_per_channel(tools, rng, opset):
    count = 2 if opset == 18 else 6
    constants = {"s": rng.normal(size=count).astype(F), "b": rng.normal(size=count).astype(F)}
    node = tools.node("GroupNormalization", ["x", "s", "b"], num_groups=2)
    model = tools.model([node], {"x": (F, (2, 6, 3, 3))}, constants=constants, opset=opset)
    tools.check(model, rng.normal(size=(2, 6, 3, 3)).astype(F))


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("LRN", {"size": 3, "alpha": 0.01, "bias": 2.0}),
        ("LpNormalization", {"axis": 1, "p": 1}),
        ("LpNormalization", {}),
        ("MeanVarianceNormalization", {"axes": [0, 2, 3]}),
    ],
)
def test_others(tools, rng, op, attributes):
    tools.check(
        tools.model([tools.node(op, ["x"], **attributes)], {"x": (F, (2, 4, 3, 3))}),
        rng.normal(size=(2, 4, 3, 3)).astype(F),
    )


def test_instance_norm(tools, rng):
    constants = {"s": rng.normal(size=3).astype(F), "b": rng.normal(size=3).astype(F)}
    model = tools.model(
        [tools.node("InstanceNormalization", ["x", "s", "b"])], {"x": (F, ("n", 3, 5))}, constants=constants
    )
    tools.check(model, rng.normal(size=(2, 3, 5)).astype(F))


@pytest.mark.parametrize("attributes", [{}, {"across_channels": 1}, {"normalize_variance": 0}])
def test_the_first_mean_variance_normalization(tools, rng, attributes):
    node = tools.node("MeanVarianceNormalization", ["x"], **attributes)
    model = tools.model([node], {"x": (F, (2, 4, 3, 3))}, opset=7)
    tools.check(model, rng.normal(size=(2, 4, 3, 3)).astype(F))
