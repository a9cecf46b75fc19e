"""Whole models: the nine of the onnx package with a symbolic batch, and random graphs against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tondo.ir import Const, Var

LIGHT = sorted((Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("*.onnx"))
F = "float32"


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_light_models(tools, path):
    model = onnx.load(path)
    stored = {tensor.name for tensor in model.graph.initializer}
    (data,) = [value for value in model.graph.input if value.name not in stored]
    fixed = [dim.dim_value for dim in data.type.tensor_type.shape.dim]
    declared = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.output]
    module = tools.load(path)
    assert [[extent.value for extent in result.tensor.dims] for result in module.graph().results] == declared
    batched = tools.load(path, inputs={data.name: ("batch", *fixed[1:])})
    (result,) = batched.graph().results
    assert result.tensor.dims[0] == Var("batch")
    assert [extent.value for extent in result.tensor.dims[1:]] == declared[0][1:]


@pytest.mark.parametrize("path", LIGHT[:1] + LIGHT[5:6], ids=lambda path: path.stem)
def test_types_agree_with_onnx_shape_inference(tools, path):
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    known = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.value_info
    }
    module = tools.load(path)
    compared = 0
    for binding in module.graph().bindings:
        for var in binding.vars:
            if var.name in known and all(isinstance(extent, Const) for extent in var.tensor.dims):
                assert [extent.value for extent in var.tensor.dims] == known[var.name]
                compared += 1
    assert compared > 20


UNARY = ["Relu", "Neg", "Sigmoid", "Tanh", "Abs", "Identity"]
BINARY = ["Add", "Sub", "Mul", "Max", "Min"]


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_graphs(tools, data):
    """Chains and joins of operators that keep, reduce, move and multiply, with symbolic sizes."""
    nodes, values, constants = [], ["x"], {"w": np.linspace(-1, 1, 16, dtype=F).reshape(4, 4), "last": np.array([-1])}
    for index in range(data.draw(st.integers(1, 8))):
        out = f"v{index}"
        kind = data.draw(st.sampled_from(["unary", "binary", "reduce", "matmul", "softmax", "swap", "norm", "reshape"]))
        a, b = (data.draw(st.sampled_from(values)) for _ in range(2))
        match kind:
            case "unary":
                nodes.append(tools.node(data.draw(st.sampled_from(UNARY)), [a], [out]))
            case "binary":
                nodes.append(tools.node(data.draw(st.sampled_from(BINARY)), [a, b], [out]))
            case "reduce":
                nodes += [
                    tools.node("ReduceMean", [a], [f"{out}m"], axes=[-1], keepdims=1),
                    tools.node("Sub", [a, f"{out}m"], [out]),
                ]
            case "matmul":
                nodes.append(tools.node("MatMul", [a, "w"], [out]))
            case "softmax":
                nodes.append(tools.node("Softmax", [a], [out], axis=-1))
            case "swap":
                nodes += [
                    tools.node("Transpose", [a], [f"{out}t"], perm=[1, 0, 2]),
                    tools.node("Transpose", [f"{out}t"], [out], perm=[1, 0, 2]),
                ]
            case "norm":
                nodes += [tools.node("LpNormalization", [a], [out], axis=-1)]
            case _:
                nodes += [
                    tools.node("Shape", [a], [f"{out}s"]),
                    tools.node("Reshape", [a, "last"], [f"{out}f"]),
                    tools.node("Reshape", [f"{out}f", f"{out}s"], [out]),
                ]
        values.append(out)
    model = tools.model(nodes, {"x": (F, ("n", "m", 4))}, [values[-1]], constants)
    x = np.random.default_rng(3).normal(size=(2, 3, 4)).astype(F)
    tools.check(model, x, rtol=2e-3, atol=2e-4)
