"""Running one operator on arrays, with constant and with symbolic dimensions, and the same node in another engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tondo.interp import evaluate_expr, run_tensor_function
from tondo.ir import Attrs, Const, Expr, OpCall, TensorFunction, TensorType, Var, as_expr, dtype, walk
from tondo_ops import OPERATORS


def type_of(array: np.ndarray, *, symbolic: bool) -> TensorType:
    """Return the type of ``array``; if symbolic, equal sizes of at least 2 share a variable."""
    shape = tuple(Var(f"d{size}") if symbolic and size > 1 else Const(size) for size in array.shape)
    return TensorType(shape, dtype(array.dtype))


def dims_of(arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """Return the values of the variables that ``type_of`` makes."""
    return {f"d{size}": size for array in arrays for size in array.shape if size > 1}


def check_definition(function: TensorFunction, call: OpCall) -> None:
    """Check the contract: scalars by name, inputs with the types of the call, then the outputs."""
    names = [var.name for var in function.scalars]
    assert names == sorted(set(names))
    assert [TensorType(buffer.shape, buffer.dtype) for buffer in function.input_buffers] == list(call.args)
    outputs = [TensorType(buffer.shape, buffer.dtype) for buffer in function.output_buffers]
    assert outputs == list(OPERATORS[call.op].infer(call))
    every = {item.name for node in (function.body, *function.buffers) for item in walk(node) if isinstance(item, Var)}
    assert set(names) <= every


def run_call(call: OpCall, arrays: Sequence[np.ndarray], values: dict[str, int]) -> list[np.ndarray]:
    """Run the definition of ``call`` on ``arrays``."""
    operator = OPERATORS[call.op]
    function = operator.define(call)
    check_definition(function, call)
    results = run_tensor_function(
        function, arrays, None, {name: value for name, value in values.items() if Var(name) in function.scalars}
    )
    for result, wanted in zip(results, operator.infer(call), strict=True):
        assert result.shape == tuple(
            int(evaluate_expr(extent, {Var(name): value for name, value in values.items()})) for extent in wanted.dims
        )
        assert result.dtype == wanted.dtype.numpy
    return list(results)


def run_op(
    op: str, *arrays: np.ndarray, fixed: frozenset[int] = frozenset(), **attrs: object
) -> np.ndarray | list[np.ndarray]:
    """Run operator ``op`` with constant and with symbolic dimensions (not of ``fixed`` arguments)."""
    given = [np.asarray(array) for array in arrays]
    kept = {name: as_expr(value) if isinstance(value, Expr) else value for name, value in attrs.items()}
    values = dims_of(given)
    static = OpCall(op, tuple(type_of(array, symbolic=False) for array in given), Attrs(kept))
    results = run_call(static, given, values)
    symbolic = OpCall(op, tuple(type_of(array, symbolic=i not in fixed) for i, array in enumerate(given)), Attrs(kept))
    for first, second in zip(results, run_call(symbolic, given, values), strict=True):
        np.testing.assert_array_equal(first, second)
    return results[0] if len(results) == 1 else results


@pytest.fixture(scope="session")
def run() -> Callable[..., np.ndarray | list[np.ndarray]]:
    """Return :func:`run_op`."""
    return run_op


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a seeded generator."""
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def ort() -> Callable[..., np.ndarray | list[np.ndarray]]:
    """Return a function that runs one ONNX node in onnxruntime."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")

    def node(
        kind: str, *arrays: np.ndarray | None, opset: int = 18, outputs: int = 1, **attrs: object
    ) -> np.ndarray | list[np.ndarray]:
        names = ["" if array is None else f"x{i}" for i, array in enumerate(arrays)]
        results = [f"y{i}" for i in range(outputs)]
        made = onnx.helper.make_node(kind, names, results, **attrs)
        inputs = [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in zip(names, arrays, strict=True)
            if array is not None
        ]
        unknown = [onnx.helper.make_empty_tensor_value_info(name) for name in results]
        graph = onnx.helper.make_graph([made], "g", inputs, unknown)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        values = session.run(
            None, {name: array for name, array in zip(names, arrays, strict=True) if array is not None}
        )
        return values[0] if outputs == 1 else values

    return node
