"""Well-known networks with seeded random weights, made from files that the ``onnx`` package carries.

``onnx`` ships the graphs of nine image classifiers for its own tests; their weights are nodes that fill a tensor with
one constant. Constant weights hide errors: permuted channels or a transposed kernel give the same answer. Here every
such node becomes an initializer with random values whose scale keeps activations near one through the depth of the
network (He et al., "Delving deep into rectifiers", 2015), so that a wrong answer looks wrong and the softmax at the
end does not saturate. The same seed gives the same model everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

__all__ = ["LIGHT_MODELS", "light_model", "picture"]

LIGHT_MODELS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)

_KEEPS_SIGN = frozenset({"MaxPool", "AveragePool", "Concat", "Reshape", "Transpose", "Dropout", "LRN"})

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Use:
    """Where a weight goes: operator, position among its inputs, the readers of the result, rectified data or not."""

    op: str
    position: int
    readers: frozenset[str]
    rectified: bool


def light_model(name: str, seed: int = 0) -> onnx.ModelProto:
    """Return the network ``name`` (one of :data:`LIGHT_MODELS`) with random float32 weights as initializers.

    The picture is the only input left, of shape ``[1, 3, 224, 224]``; weights are no longer listed as inputs.
    """
    model = onnx.load(Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx")
    graph = model.graph
    rng = np.random.default_rng(seed)
    uses = _uses(graph)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape" and node.input[0] in stored]:
        shape = tuple(int(extent) for extent in stored.pop(node.input[0]))
        stored[node.output[0]] = _weight(shape, uses[node.output[0]], rng)
        graph.node.remove(node)
    for weight, value in stored.items():
        if value.dtype == np.float32 and weight in uses:
            stored[weight] = _weight(value.shape, uses[weight], rng)
    read = {value for node in graph.node for value in node.input}
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in stored.items() if key in read)
    inputs = [value for value in graph.input if value.name in read and value.name not in stored]
    del graph.input[:]
    graph.input.extend(inputs)
    model.ir_version = 8  # from version 4 on, an initializer need not be an input
    onnx.checker.check_model(model)
    return model


def picture(seed: int = 0, batch: int = 1, size: int = 224) -> Array:
    """Return ``[batch, 3, size, size]`` float32: smooth random blobs, normalised as classifiers expect pictures."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0.0, 1.0, size)
    image = np.zeros((batch, 3, size, size))
    for _ in range(8):
        row, column = rng.random((2, batch, 3, 1))
        width = rng.uniform(0.05, 0.3, (batch, 3, 1))
        height = np.exp(-(((axis - row) / width) ** 2))
        image += np.einsum("bch,bcw->bchw", height, np.exp(-(((axis - column) / width) ** 2)))
    image += 0.1 * rng.random(image.shape)
    mean, spread = image.mean(axis=(2, 3), keepdims=True), image.std(axis=(2, 3), keepdims=True)
    return ((image - mean) / spread).astype(np.float32)


def _uses(graph: onnx.GraphProto) -> dict[str, _Use]:
    """First use of every value, looked up through nodes that only reshape it."""
    readers: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    for node in graph.node:
        for position, value in enumerate(node.input):
            readers.setdefault(value, []).append((node, position))

    producers = {value: node for node in graph.node for value in node.output}

    def rectified(value: str) -> bool:
        node = producers.get(value)
        while node is not None and node.op_type in _KEEPS_SIGN:
            node = producers.get(node.input[0])
        return node is not None and node.op_type == "Relu"

    def use(value: str) -> _Use:
        node, position = readers[value][0]
        if node.op_type == "Unsqueeze":
            return use(node.output[0])
        after = frozenset(reader.op_type for reader, _ in readers.get(node.output[0], []))
        return _Use(node.op_type, position, after, rectified(node.input[0]))

    return {value: use(value) for value in readers}


def _weight(shape: tuple[int, ...], use: _Use, rng: np.random.Generator) -> Array:
    """Random values of ``shape`` that suit the operator and position."""
    match use:
        case _Use("BatchNormalization", 1, readers):
            # A branch that is added to the trunk stays small, or the sum would double at every block.
            low, high = (0.2, 0.6) if readers & {"Sum", "Add"} else (0.6, 1.4)
            return rng.uniform(low, high, shape).astype(np.float32)
        case _Use("BatchNormalization", 4) | _Use("Mul"):
            return rng.uniform(0.6, 1.4, shape).astype(np.float32)
        case _Use("Conv" | "Gemm", 1) if len(shape) > 1:
            fan_in = int(np.prod(shape[1:]))
            gain = 2.0 if use.rectified else 1.0  # a rectifier halves the second moment
            return rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(gain / fan_in))
        case _:
            return rng.standard_normal(shape, dtype=np.float32) * np.float32(0.1)
