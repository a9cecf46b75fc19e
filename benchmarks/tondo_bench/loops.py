"""Models of loops: recurrent layers, and decoders that choose one token after the other until they meet the last one.

A decoder is one ``Loop`` node: the body embeds the token of the trip before, updates its state, multiplies by the
vocabulary, takes the most probable token, and goes on while any entry of the batch has not chosen the last token. The
state is that of an LSTM, or keys and values of an attention that grow by one row in each trip. All weights are random,
with a seed; a bias keeps the last token from being chosen, so that the number of trips is that of the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY = 5000
"""Tokens of the decoders."""
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

States = list[tuple[onnx.ValueInfoProto, onnx.ValueInfoProto]]
"""Values as the body of a loop takes and as it yields them."""

_F, _I, _B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
_END = 0


@dataclass(slots=True)
class _Graph:
    """Nodes and constants of a graph in the making."""

    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    stored: list[onnx.TensorProto] = field(default_factory=list)

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, array: npt.NDArray[np.generic]) -> str:
        self.stored.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        scale = np.float32(1 / np.sqrt(shape[-1] if name.endswith("_t") else shape[-2]))
        return self.constant(name, self.rng.standard_normal(shape, np.float32) * scale)

    def model(self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "loops", list(inputs), list(outputs), self.stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _info(name: str, kind: int, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def recurrent(kind: str, steps: int, batch: int, hidden: int, *, both: bool = False, seed: int = 0) -> onnx.ModelProto:
    """Return one layer of ``kind`` (LSTM, GRU, RNN) with as many inputs as hidden values, in one or both directions."""
    graph, sides, gates = _Graph(np.random.default_rng(seed)), 1 + both, GATES[kind]
    weights = [graph.weight(name, sides, gates * hidden, hidden) for name in ("w_t", "r_t")]
    bias = graph.constant("b", graph.rng.standard_normal((sides, 2 * gates * hidden), np.float32) * np.float32(0.1))
    shapes: dict[str, list[int | str | None]] = {"y": [steps, sides, batch, hidden], "y_h": [sides, batch, hidden]}
    if kind == "LSTM":
        shapes["y_c"] = [sides, batch, hidden]
    options: dict[str, object] = {"hidden_size": hidden, "direction": "bidirectional" if both else "forward"}
    if kind == "GRU":
        options["linear_before_reset"] = 1  # as PyTorch exports it
    graph.nodes.append(helper.make_node(kind, ["x", *weights, bias], list(shapes), **options))
    results = [_info(name, _F, shape) for name, shape in shapes.items()]
    return graph.model([_info("x", _F, [steps, batch, hidden])], results)


def decoder(cell: str, limit: int, batch: int, hidden: int, *, seed: int = 0) -> onnx.ModelProto:
    """Return a decoder of ``limit`` tokens; ``cell`` is ``lstm`` or ``attention``."""
    outer, body = _Graph(np.random.default_rng(seed)), _Graph(np.random.default_rng(seed + 1))
    outer.constant("embedding", outer.rng.standard_normal((VOCABULARY, hidden), np.float32))
    outer.weight("project", hidden, VOCABULARY)
    bias = np.zeros(VOCABULARY, np.float32)
    bias[_END] = -1e4
    outer.constant("rarely", bias)
    outer.constant("end", np.array(_END, np.int64))
    body.node("Gather", ["embedding", "token"], "x", axis=0)
    make = {"lstm": _lstm, "attention": _attention}[cell]
    hidden_now, states = make(outer, body, batch, hidden)
    body.node("MatMul", [hidden_now, "project"], "product")
    body.node("Add", ["product", "rarely"], "logits")
    body.node("ArgMax", ["logits"], "next", axis=1, keepdims=0)
    body.node("Equal", ["next", "end"], "ended")
    body.node("Not", ["ended"], "running")
    body.node("Cast", ["running"], "count", to=TensorProto.INT32)
    body.node("ReduceMax", ["count"], "any", keepdims=0)
    body.node("Cast", ["any"], "go", to=_B)
    body.node("Identity", ["next"], "chosen")
    token, following, chosen = (_info(name, _I, [batch]) for name in ("token", "next", "chosen"))
    inner = helper.make_graph(
        body.nodes,
        "trip",
        [_info("i", _I, []), _info("alive", _B, []), token, *(value for value, _ in states)],
        [_info("go", _B, []), following, *(value for _, value in states), chosen],
        body.stored,
    )
    outer.constant("limit", np.array(limit, np.int64))
    firsts = [f"first_{value.name}" for value, _ in states]
    lasts = [f"last_{value.name}" for value, _ in states]
    outer.nodes.append(
        helper.make_node("Loop", ["limit", "", "input_ids", *firsts], ["last", *lasts, "tokens"], body=inner)
    )
    return outer.model([_info("input_ids", _I, [batch])], [_info("tokens", _I, ["trips", batch])])


def _lstm(outer: _Graph, body: _Graph, batch: int, hidden: int) -> tuple[str, States]:
    """One step of an LSTM layer, the form in which sequence models are exported."""
    shape = (1, batch, hidden)
    weights = [outer.weight(name, 1, 4 * hidden, hidden) for name in ("w_t", "r_t")]
    outer.constant("b", outer.rng.standard_normal((1, 8 * hidden), np.float32) * np.float32(0.1))
    outer.constant("first_axis", np.array([0], np.int64))
    for name in ("first_h", "first_c"):
        outer.constant(name, np.zeros(shape, np.float32))
    body.node("Unsqueeze", ["x", "first_axis"], "steps")
    inputs = ["steps", *weights, "b", "", "h", "c"]
    body.nodes.append(helper.make_node("LSTM", inputs, ["", "h_next", "c_next"], hidden_size=hidden))
    body.node("Squeeze", ["h_next", "first_axis"], "state")
    return "state", [(_info(name, _F, shape), _info(f"{name}_next", _F, shape)) for name in ("h", "c")]


def _attention(outer: _Graph, body: _Graph, batch: int, hidden: int) -> tuple[str, States]:
    """One head of attention over all tokens so far, and two products with a rectifier between, each added to x."""
    for name in ("to_query", "to_key", "to_value"):
        outer.weight(name, hidden, hidden)
    outer.weight("widen", hidden, 4 * hidden)
    outer.weight("narrow", 4 * hidden, hidden)
    outer.constant("scale", np.array(1 / np.sqrt(hidden), np.float32))
    outer.constant("time", np.array([1], np.int64))
    for name in ("first_keys", "first_values"):
        outer.constant(name, np.zeros((batch, 1, hidden), np.float32))
    for name in ("query", "key", "value"):
        body.node("MatMul", ["x", f"to_{name}"], f"{name}_now")
        body.node("Unsqueeze", [f"{name}_now", "time"], name)
    for name in ("key", "value"):
        body.node("Concat", [f"{name}s", name], f"{name}s_next", axis=1)
    body.node("Transpose", ["keys_next"], "turned", perm=[0, 2, 1])
    body.node("MatMul", ["query", "turned"], "raw")
    body.node("Mul", ["raw", "scale"], "scores")
    body.node("Softmax", ["scores"], "weights", axis=-1)
    body.node("MatMul", ["weights", "values_next"], "mixed")
    body.node("Squeeze", ["mixed", "time"], "attended")
    body.node("Add", ["x", "attended"], "y")
    body.node("MatMul", ["y", "widen"], "wide")
    body.node("Relu", ["wide"], "active")
    body.node("MatMul", ["active", "narrow"], "deep")
    body.node("Add", ["y", "deep"], "z")
    shape = [batch, None, hidden]
    return "z", [(_info(name, _F, shape), _info(f"{name}_next", _F, shape)) for name in ("keys", "values")]
