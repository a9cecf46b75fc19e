"""Small networks with seeded weights whose batch, sequence, image or past has any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEADS, WIDTH = 4, 16
_MODEL = HEADS * WIDTH
_VOCABULARY = 97


@dataclass
class _Net:
    """Nodes and weights while a network is made; every value has a name of its own."""

    generator: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def call(self, op: str, *inputs: str, outputs: int = 1, **attributes: object) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        names = [name if outputs == 1 else f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else name

    def weight(self, *shape: int) -> str:
        fan = shape[-2] if len(shape) == 2 else int(np.prod(shape[1:])) or 1
        return self.stored((self.generator.standard_normal(shape) / np.sqrt(fan)).astype(np.float32))

    def stored(self, array: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *values: int) -> str:
        return self.stored(np.array(values, np.int64))

    def size(self, value: str, axis: int) -> str:
        return self.call("Gather", self.call("Shape", value), self.ints(axis))

    def linear(self, x: str, rows: int, columns: int) -> str:
        return self.call("Add", self.call("MatMul", x, self.weight(rows, columns)), self.weight(columns))

    def normal(self, x: str) -> str:
        return self.call("LayerNormalization", x, self.weight(_MODEL), self.weight(_MODEL), axis=-1)

    def heads(self, x: str) -> str:
        return self.call("Transpose", self.call("Reshape", x, self.ints(0, -1, HEADS, WIDTH)), perm=[0, 2, 1, 3])

    def joined(self, x: str) -> str:
        return self.call("Reshape", self.call("Transpose", x, perm=[0, 2, 1, 3]), self.ints(0, -1, _MODEL))

    def mixed(self, q: str, k: str, v: str, mask: str | None) -> str:
        scores = self.call("MatMul", q, self.call("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.call("Mul", scores, self.stored(np.float32(WIDTH**-0.5)))
        scores = scores if mask is None else self.call("Add", scores, mask)
        return self.joined(self.call("MatMul", self.call("Softmax", scores, axis=-1), v))

    def hidden(self, x: str) -> str:
        up = self.call("Gelu", self.linear(self.normal(x), _MODEL, 2 * _MODEL))
        return self.call("Add", x, self.linear(up, 2 * _MODEL, _MODEL))

    def model(
        self, name: str, inputs: Mapping[str, tuple[int, Sequence[str | int]]], outputs: Mapping[str, str]
    ) -> onnx.ModelProto:
        named = [helper.make_node("Identity", [value], [key]) for key, value in outputs.items()]
        graph = helper.make_graph(
            [*self.nodes, *named],
            name,
            [helper.make_tensor_value_info(key, kind, list(shape)) for key, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, None) for key in outputs],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def encoder(seed: int = 0, layers: int = 2) -> onnx.ModelProto:
    """Return a transformer encoder over ``ids [batch, seq]`` with a mask of the same shape (1: seen)."""
    net = _Net(np.random.default_rng(seed))
    x = net.call("Gather", net.weight(_VOCABULARY, _MODEL), "ids")
    places = net.call(
        "Range", net.stored(np.int64(0)), net.call("Squeeze", net.size("ids", 1)), net.stored(np.int64(1))
    )
    x = net.call("Add", x, net.call("Gather", net.weight(256, _MODEL), places))
    seen = net.call("Cast", net.call("Unsqueeze", "mask", net.ints(1, 2)), to=TensorProto.FLOAT)
    hidden = net.call("Sub", net.stored(np.float32(1)), seen)
    mask = net.call("Mul", hidden, net.stored(np.float32(-1e9)))
    for _ in range(layers):
        n = net.normal(x)
        q, k, v = (net.heads(net.linear(n, _MODEL, _MODEL)) for _ in range(3))
        x = net.call("Add", x, net.linear(net.mixed(q, k, v, mask), _MODEL, _MODEL))
        x = net.hidden(x)
    inputs = {"ids": (TensorProto.INT64, ["batch", "seq"]), "mask": (TensorProto.INT64, ["batch", "seq"])}
    return net.model("encoder", inputs, {"states": net.normal(x)})


def decoder_step(seed: int = 0, layers: int = 2) -> onnx.ModelProto:
    """Return one step of a decoder: ``ids [batch, 1]`` and what was ``[batch, heads, past, width]`` per layer."""
    net = _Net(np.random.default_rng(seed))
    x = net.call("Gather", net.weight(_VOCABULARY, _MODEL), "ids")
    inputs: dict[str, tuple[int, Sequence[str | int]]] = {"ids": (TensorProto.INT64, ["batch", 1])}
    outputs: dict[str, str] = {}
    for layer in range(layers):
        n, found = net.normal(x), {}
        for part in ("key", "value"):
            inputs[f"past.{layer}.{part}"] = (TensorProto.FLOAT, ["batch", HEADS, "past", WIDTH])
            new = net.heads(net.linear(n, _MODEL, _MODEL))
            found[part] = net.call("Concat", f"past.{layer}.{part}", new, axis=2)
            outputs[f"now.{layer}.{part}"] = found[part]
        q = net.heads(net.linear(n, _MODEL, _MODEL))
        x = net.call("Add", x, net.linear(net.mixed(q, found["key"], found["value"], None), _MODEL, _MODEL))
        x = net.hidden(x)
    outputs["scores"] = net.linear(net.normal(x), _MODEL, _VOCABULARY)
    return net.model("decoder_step", inputs, outputs)


def residual(seed: int = 0) -> onnx.ModelProto:
    """Return a residual convolution network over ``image [batch, 3, height, width]``."""
    net = _Net(np.random.default_rng(seed))

    def convolution(x: str, inner: int, outer: int, kernel: int, stride: int = 1, group: int = 1) -> str:
        pads = [kernel // 2] * 4
        return net.call(
            "Conv", x, net.weight(outer, inner // group, kernel, kernel), net.weight(outer),
            kernel_shape=[kernel, kernel], pads=pads, strides=[stride, stride], group=group,
        )  # fmt: skip

    x = net.call("Relu", convolution("image", 3, 16, 7, 2))
    x = net.call("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for inner, outer, stride in ((16, 16, 1), (16, 32, 2)):
        y = net.call("Relu", convolution(x, inner, outer, 3, stride))
        y = convolution(y, outer, outer, 3)
        short = x if stride == 1 else convolution(x, inner, outer, 1, stride)
        x = net.call("Relu", net.call("Add", y, short))
    x = net.call("Clip", convolution(x, 32, 32, 3, 1, 32), net.stored(np.float32(0)), net.stored(np.float32(6)))
    x = net.call("Flatten", net.call("GlobalAveragePool", convolution(x, 32, 48, 1)))
    image = {"image": (TensorProto.FLOAT, ["batch", 3, "height", "width"])}
    return net.model("residual", image, {"scores": net.linear(x, 48, 10)})


def patches(seed: int = 0) -> onnx.ModelProto:
    """Return a vision transformer over ``image [batch, 3, 32, 32]``: 16 patches and a class token."""
    net = _Net(np.random.default_rng(seed))
    x = net.call("Conv", "image", net.weight(_MODEL, 3, 8, 8), net.weight(_MODEL), strides=[8, 8])
    x = net.call("Transpose", net.call("Reshape", x, net.ints(0, _MODEL, -1)), perm=[0, 2, 1])
    shape = net.call("Concat", net.size("image", 0), net.ints(1, _MODEL), axis=0)
    x = net.call("Concat", net.call("Expand", net.weight(1, 1, _MODEL), shape), x, axis=1)
    x = net.call("Add", x, net.weight(1, 17, _MODEL))
    n = net.normal(x)
    q, k, v = (net.heads(net.linear(n, _MODEL, _MODEL)) for _ in range(3))
    x = net.hidden(net.call("Add", x, net.linear(net.mixed(q, k, v, None), _MODEL, _MODEL)))
    first = net.call("Squeeze", net.call("Slice", x, net.ints(0), net.ints(1), net.ints(1)), net.ints(1))
    return net.model(
        "patches", {"image": (TensorProto.FLOAT, ["batch", 3, 32, 32])}, {"scores": net.linear(first, _MODEL, 10)}
    )


NETWORKS = {"encoder": encoder, "decoder_step": decoder_step, "residual": residual, "patches": patches}
