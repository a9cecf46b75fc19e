"""Builds small models, imports them, and compares their results with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from tondo.interp import run_graph
from tondo.ir import Const, IRModule, Var
from tondo.plugin import LoadOptions
from tondo_onnx import OnnxFrontend
from tondo_ops import OPERATORS


@dataclass(frozen=True)
class Tools:
    """What the tests share."""

    operators: Mapping[str, object] = field(default_factory=lambda: OPERATORS)

    def node(self, op, inputs, outputs=("y",), domain="", **attributes):
        return helper.make_node(op, list(inputs), list(outputs), domain=domain, **attributes)

    def model(
        self,
        nodes,
        inputs,
        outputs=("y",),
        constants: Mapping[str, np.ndarray] | None = None,
        opset=17,
        functions=(),
        domains=(),
    ) -> onnx.ModelProto:
        """Return a model; ``inputs`` are (dtype, shape) by name, names in shapes are symbolic."""
        values = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), list(shape))
            for name, (kind, shape) in inputs.items()
        ]
        graph = helper.make_graph(
            list(nodes),
            "graph",
            values,
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
        )
        imports = [helper.make_opsetid("", opset), *[helper.make_opsetid(domain, 1) for domain in domains]]
        return helper.make_model(
            graph, opset_imports=imports, ir_version=10 if opset > 2 else 3, functions=list(functions)
        )

    def load(self, source, limits=None, **options) -> IRModule:
        frontend = OnnxFrontend() if limits is None else OnnxFrontend(limits)
        return frontend.load(source, LoadOptions(operators=OPERATORS, **options))

    def run(self, module: IRModule, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return run_graph(module, arrays, OPERATORS)

    def reference(self, model: onnx.ModelProto, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [entry.name for entry in session.get_inputs()]
        return session.run(None, dict(zip(names, [np.asarray(array) for array in arrays], strict=True)))

    def check(self, model: onnx.ModelProto, *arrays: np.ndarray, rtol=1e-4, atol=1e-5, **options) -> IRModule:
        """Import ``model``, run it, compare types and values with onnxruntime."""
        module = self.load(model, **options)
        wanted = self.reference(model, arrays)
        got = self.run(module, arrays)
        symbols = bindings(module, arrays)
        for atom, mine, other in zip(module.graph().results, got, wanted, strict=True):
            assert str(atom.tensor.dtype) == other.dtype.name
            assert mine.shape == other.shape
            for extent, size in zip(atom.tensor.dims, other.shape, strict=True):
                if isinstance(extent, Const):
                    assert extent.value == size
                elif isinstance(extent, Var):
                    assert symbols.get(extent.name, size) == size
            np.testing.assert_allclose(mine, other, rtol=rtol, atol=atol)
        return module


def bindings(module: IRModule, arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """Return the sizes of the symbols in the inputs."""
    found: dict[str, int] = {}
    for param, array in zip(module.graph().params, arrays, strict=True):
        for extent, size in zip(param.tensor.dims, array.shape, strict=True):
            if isinstance(extent, Var):
                found[extent.name] = size
    return found


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
