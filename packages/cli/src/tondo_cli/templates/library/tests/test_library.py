"""What the library takes, what it leaves, and a model that runs on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sample_plugin.library import KERNEL, MatrixKernels

import tondo
import tondo_runtime
from tondo.ir import FLOAT32, Binding, Call, Compute, GraphFunction, GraphVar, IRModule, TensorType, Var, dims
from tondo.passes import Miss, Offer
from tondo.plugin import collect
from tondo.target import parse_target


def module() -> IRModule:
    """``relu(a @ b)`` for any number of rows."""
    shapes = {"a": (Var("n"), 5), "b": (5, 7), "t": (Var("n"), 7), "y": (Var("n"), 7)}
    a, b, t, y = (GraphVar(name, TensorType(dims(shape), FLOAT32)) for name, shape in shapes.items())
    bindings = (Binding((t,), Call("matmul", (a, b))), Binding((y,), Call("relu", (t,))))
    return IRModule.of(GraphFunction("main", (a, b), bindings, (y,)))


@pytest.mark.parametrize(("transposed", "answer"), [(False, Offer), (True, Miss)])
def test_structure_decides(transposed: bool, answer: type) -> None:
    builder = Compute("any_name")
    a = builder.input("A", TensorType(dims((4, 5)), FLOAT32))
    b = builder.input("B", TensorType(dims((6, 5) if transposed else (5, 6)), FLOAT32))
    made = builder.reduce("C", (4, 6), (5,), lambda i, j, k: a[i, k] * (b[j, k] if transposed else b[k, j]))
    target = parse_target("native", collect().targets.values())
    assert isinstance(MatrixKernels().match(builder.build(made), target), answer)


def test_a_model_runs_on_the_kernels(tmp_path: Path) -> None:
    passes = [
        {"use": step.use, **dict(step.options), **({"library": "prefer"} if step.use == "graph.partition" else {})}
        for step in collect().pipelines["cpu"].passes
    ]
    model = tondo.compile(module(), config={"passes": passes, "cache": False})
    assert [function.attrs["call"] for function in model.module.tensor_functions() if "library" in function.attrs] == [
        KERNEL
    ]
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 5), np.float32), rng.standard_normal((5, 7), np.float32)
    np.testing.assert_allclose(model(a, b), np.maximum(a @ b, 0), rtol=1e-5, atol=1e-5)
    model.save(tmp_path / "model.tondo")
    with tondo_runtime.load(tmp_path / "model.tondo") as session:
        np.testing.assert_allclose(session(a, b), np.maximum(a @ b, 0), rtol=1e-5, atol=1e-5)
