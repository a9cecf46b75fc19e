"""Mutations of models: of their bytes, and of the fields of their messages; a number decides all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

_INTEGERS = (0, 1, 2, -1, -2, 3, 7, 64, 1 << 20, 1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63))
_FLOATS = (0.0, 1.0, -1.0, 1e-30, 1e4, float("inf"), float("-inf"), float("nan"), 0.5)
"""A number with which terms cancel is not among them: two right results then differ as far as rounding does."""
_TEXTS = ("", "linear", "nearest", "SAME_UPPER", "reflect", "constant", "\x00", "ij,jk->ik", "x" * 300)
_DIM_NAMES = ("n", "m", "n*n", "n + 1", "n // 2", "n*n*n*n*n*n", "", "2", "1/0", "for", "(" * 150)


def mutated(data: bytes, seed: int, operators: Sequence[str]) -> bytes:
    """Return a changed form of the model ``data``; ``operators`` are names that a node may get."""
    chance = random.Random(seed)
    if chance.random() < 0.3:
        return _bytes(data, chance)
    model = ModelProto.FromString(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(_FIELDS)(model, chance, operators)
    return model.SerializeToString()


def _bytes(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not found:
            break
        at = chance.randrange(len(found))
        match chance.randrange(6):
            case 0:
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                found[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del found[at : at + chance.randrange(1, 9)]
            case 3:
                found[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                found[at:at] = found[at : at + chance.randrange(1, 65)]
            case _:
                other = chance.randrange(len(found))
                found[at : at + 4] = found[other : other + 4]
    return bytes(found[: chance.randrange(len(found) + 1)]) if chance.random() < 0.05 else bytes(found)


def _graphs(graph: GraphProto) -> list[GraphProto]:
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return [graph, *(found for each in inner for found in _graphs(each))]


def _nodes(model: ModelProto) -> list[NodeProto]:
    found = [node for graph in _graphs(model.graph) for node in graph.node]
    return [*found, *(node for function in model.functions for node in function.node)]


def _tensors(model: ModelProto) -> list[TensorProto]:
    stored = [tensor for graph in _graphs(model.graph) for tensor in graph.initializer]
    return [*stored, *(item.t for node in _nodes(model) for item in node.attribute if item.HasField("t"))]


def _names(model: ModelProto) -> list[str]:
    graph = model.graph
    found = [value.name for value in graph.input] + [tensor.name for tensor in graph.initializer]
    return ["", "nobody", *found, *(name for node in graph.node for name in node.output)]


def _attribute(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    del operators
    found = [(node, item) for node in _nodes(model) for item in node.attribute]
    if not found:
        return
    node, item = chance.choice(found)
    if chance.random() < 0.1:
        node.attribute.remove(item)
        return
    match item.type:
        case AttributeProto.INT:
            item.i = chance.choice((*_INTEGERS, _near(item.i, chance), _near(item.i, chance)))
        case AttributeProto.FLOAT:
            item.f = chance.choice(_FLOATS)
        case AttributeProto.STRING:
            item.s = chance.choice(_TEXTS).encode()
        case AttributeProto.INTS:
            _integers(item.ints, chance)
        case AttributeProto.FLOATS:
            item.floats.append(chance.choice(_FLOATS))
        case _:
            item.name = chance.choice(("axis", "axes", "value", "to"))


def _near(value: int, chance: random.Random) -> int:
    return max(-(1 << 63), min((1 << 63) - 1, value + chance.choice((-2, -1, 1, 2))))


def _integers(values, chance: random.Random) -> None:
    choice = chance.randrange(4)
    if choice == 0 or not values:
        values.insert(chance.randrange(len(values) + 1), chance.choice(_INTEGERS))
    elif choice == 1:
        del values[chance.randrange(len(values))]
    else:
        at = chance.randrange(len(values))
        values[at] = chance.choice((*_INTEGERS, _near(values[at], chance), _near(values[at], chance)))


def _new_attribute(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    del operators
    nodes = _nodes(model)
    if not nodes:
        return
    name = chance.choice(("axis", "axes", "keepdims", "to", "group", "perm", "mode", "pads", "alpha", "value"))
    value = chance.choice((*_INTEGERS, [chance.choice(_INTEGERS)], chance.choice(_FLOATS), chance.choice(_TEXTS)))
    chance.choice(nodes).attribute.append(helper.make_attribute(name, value))


def _value(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    """Change the type or shape of an input or output."""
    del operators
    values = [value for graph in _graphs(model.graph) for value in (*graph.input, *graph.output)]
    if not values:
        return
    tensor = chance.choice(values).type.tensor_type
    choice = chance.randrange(5)
    if choice == 0:
        tensor.elem_type = chance.choice((*range(24), 99))
    elif choice == 1 or not tensor.shape.dim:
        dim = tensor.shape.dim.add()
        dim.dim_value = chance.choice(_INTEGERS)
    elif choice == 2:
        del tensor.shape.dim[chance.randrange(len(tensor.shape.dim))]
    elif choice == 3:
        chance.choice(tensor.shape.dim).dim_param = chance.choice(_DIM_NAMES)
    else:
        dim = chance.choice(tensor.shape.dim)
        dim.dim_value = chance.choice((*_INTEGERS, _near(dim.dim_value, chance), _near(dim.dim_value, chance)))


def _symbolic(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    """Give dimensions of inputs names: the sizes are then those of the call."""
    del operators
    for value in model.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if chance.random() < 0.5:
                dim.dim_param = f"{value.name}_{axis}" if chance.random() < 0.7 else "n"


def _node(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    graph = chance.choice(_graphs(model.graph))
    if not graph.node:
        return
    at = chance.randrange(len(graph.node))
    node = graph.node[at]
    match chance.randrange(8):
        case 0:
            node.op_type = chance.choice(operators)
        case 1:
            del graph.node[at]
        case 2:
            graph.node.add().CopyFrom(node)
        case 3:
            node.domain = chance.choice(("ai.onnx.ml", "com.microsoft", "nobody"))
        case 4 if node.input:
            del node.input[chance.randrange(len(node.input))]
        case 5:
            node.input.append(chance.choice(_names(model)))
        case 6 if node.output:
            node.output[chance.randrange(len(node.output))] = chance.choice(_names(model))
        case _ if node.input:
            node.input[chance.randrange(len(node.input))] = chance.choice(_names(model))
        case _:
            node.op_type = chance.choice(operators)


def _append(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    """Let another operator read a result."""
    names = _names(model)
    inputs = [chance.choice(names) for _ in range(chance.choice((1, 1, 2, 2, 3)))]
    model.graph.node.append(helper.make_node(chance.choice(operators), inputs, ["further"]))
    model.graph.output.append(helper.make_value_info("further", onnx.TypeProto()))


def _tensor(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    del operators
    tensors = _tensors(model)
    if not tensors:
        return
    tensor = chance.choice(tensors)
    match chance.randrange(6):
        case 0:
            tensor.data_type = chance.choice((*range(24), 99))
        case 1:
            _integers(tensor.dims, chance)
        case 2:
            data = bytearray(tensor.raw_data or b"\x00")
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            tensor.raw_data = bytes(data)
        case 3:
            tensor.raw_data = tensor.raw_data[: len(tensor.raw_data) // 2]
        case 4:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=chance.choice(("../x", "/etc/passwd", "x", "")))
        case _ if tensor.int64_data:
            _integers(tensor.int64_data, chance)
        case _:
            size = max(len(tensor.raw_data), 8)
            tensor.raw_data = (chance.choice(_INTEGERS) & (1 << 64) - 1).to_bytes(8, "little") * (size // 8)


def _whole(model: ModelProto, chance: random.Random, operators: Sequence[str]) -> None:
    del operators
    match chance.randrange(4):
        case 0 if model.opset_import:
            chance.choice(model.opset_import).version = chance.choice((*range(28), 1 << 40, -1))
        case 1:
            model.ir_version = chance.choice((0, 3, 7, 13, 99, 1 << 40))
        case 2 if model.graph.output:
            model.graph.output[0].name = chance.choice(_names(model))
        case _:
            chance.choice(_graphs(model.graph)).name = ""


_Mutation = Callable[[ModelProto, random.Random, Sequence[str]], None]
_FIELDS: tuple[_Mutation, ...] = (
    _attribute, _attribute, _attribute, _new_attribute, _value, _value, _symbolic, _symbolic, _node, _node, _append,
    _tensor, _tensor, _whole,
)  # fmt: skip
