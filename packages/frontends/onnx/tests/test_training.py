"""Steps of optimisers and batch normalisation in training, against onnx's reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

F32 = "float32"
DOMAIN = "ai.onnx.preview.training"


def _agrees(tools, model, arrays):
    names = [value.name for value in model.graph.input]
    wanted = ReferenceEvaluator(model).run(None, dict(zip(names, arrays, strict=True)))
    for mine, other in zip(tools.run(tools.load(model), arrays), wanted, strict=True):
        assert mine.dtype == np.float32  # the reference computes some in float64
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


OPTIMISERS = {
    "Momentum": (1, {"alpha": 0.9, "beta": 0.7, "mode": "standard", "norm_coefficient": 0.01}),
    "Nesterov": (1, {"alpha": 0.9, "beta": 0.7, "mode": "nesterov", "norm_coefficient": 0.01}),
    "Adagrad": (1, {"decay_factor": 0.1, "epsilon": 1e-4, "norm_coefficient": 0.02}),
    "Adam": (2, {"alpha": 0.9, "beta": 0.99, "epsilon": 1e-4, "norm_coefficient": 0.02}),
}


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("turn", [0, 3])
@pytest.mark.parametrize("weights", [1, 2])
def test_steps_of_optimisers(tools, rng, name, turn, weights):
    states, attributes = OPTIMISERS[name]
    tensors = {f"{group}{i}": (F32, (2, i + 1)) for group in "xgsv"[: states + 2] for i in range(weights)}
    outputs = [f"{group}{i}_new" for group in "xsv"[: states + 1] for i in range(weights)]
    op = {"Nesterov": "Momentum"}.get(name, name)
    node = helper.make_node(op, ["r", "t", *tensors], outputs, domain=DOMAIN, **attributes)
    types = {"r": (F32, ()), "t": ("int64", ()), **tensors}
    model = tools.model([node], types, outputs, domains=[DOMAIN])
    arrays = [np.array(0.1, F32), np.array(turn)]
    arrays += [rng.uniform(0.1, 1, shape).astype(F32) for _, shape in tensors.values()]
    _agrees(tools, model, arrays)


def test_tensors_come_in_groups(tools):
    node = helper.make_node("Adagrad", ["r", "t", "x"], ["y"], domain=DOMAIN)
    model = tools.model([node], {"r": (F32, ()), "t": ("int64", ()), "x": (F32, (2,))}, domains=[DOMAIN])
    with pytest.raises(Exception, match="no multiple of 3"):
        tools.load(model)


def test_batch_normalisation_in_training(tools, rng):
    node = tools.node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y", "m2", "v2"], training_mode=1, momentum=0.8)
    types = {"x": (F32, (4, 3, 5)), **dict.fromkeys("sbmv", (F32, (3,)))}
    model = tools.model([node], types, ("y", "m2", "v2"), opset=15)
    arrays = [rng.standard_normal((4, 3, 5)).astype(F32), *[rng.uniform(0.5, 2, 3).astype(F32) for _ in range(4)]]
    _agrees(tools, model, arrays)
