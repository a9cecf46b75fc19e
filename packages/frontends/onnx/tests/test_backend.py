"""The backend interface of the onnx package, compiled natively and interpreted."""

from __future__ import annotations

import numpy as np
import onnx.helper
import pytest

import tondo_onnx.backend as backend
from tondo.diagnostics import TondoError

X = np.array([-1.0, 2.0], np.float32)


@pytest.fixture
def model(tools):
    return tools.model([tools.node("Relu", ["x"])], {"x": ("float32", (2,))})


@pytest.mark.parametrize("inputs", [X, [X], {"x": X}])
def test_inputs_in_order_or_by_name(model, inputs):
    (y,) = backend.run_model(model, inputs, target="interp")
    np.testing.assert_array_equal(y, [0.0, 2.0])


def test_a_prepared_model_runs_again(model):
    prepared = backend.prepare(model, target="interp")
    for factor in (1.0, 3.0):
        np.testing.assert_array_equal(prepared.run([X * factor])[0], [0.0, 2.0 * factor])


@pytest.mark.parametrize("inputs", [[X, X], {"a": X, "b": X}])
def test_a_node_alone(inputs):
    node = onnx.helper.make_node("Add", ["a", "b"], ["y"])
    np.testing.assert_array_equal(backend.run_node(node, inputs, target="interp")[0], X + X)


def test_a_node_of_an_old_operator_set():
    node = onnx.helper.make_node("Clip", ["x"], ["y"], min=0.0)
    np.testing.assert_array_equal(backend.run_node(node, X, opset_version=6, target="interp")[0], [0.0, 2.0])


def test_devices(model):
    assert backend.supports_device("CPU")
    assert backend.supports_device("cpu:0")
    assert not backend.supports_device("CUDA")
    assert backend.is_compatible(model)
    with pytest.raises(TondoError, match="no such device: CUDA"):
        backend.prepare(model, "CUDA")


def test_unknown_options_are_refused(model):
    with pytest.raises(TondoError, match="no option 'speed'"):
        backend.prepare(model, target="interp", speed=1)


def test_refusals_carry_their_code(tools):
    model = tools.model([tools.node("NoSuchOperator", ["x"])], {"x": ("float32", (2,))})
    with pytest.raises(TondoError) as caught:
        backend.prepare(model, target="interp")
    assert caught.value.code == "TND-M003"
