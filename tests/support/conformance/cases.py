"""The cases of the official suite: their names, operators, and whether they are plain inference.

Plain inference is everything without training, ``ai.onnx.ml``, texts, sequences and optional values.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto
from onnx.backend.test.loader import DATA_DIR, load_model_tests

KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted", "real")
_OTHER_DOMAINS = ("ai.onnx.ml", "ai.onnx.preview.training", "ai.onnx.training")
_OTHER_PREFIXES = ("Sequence", "Optional", "String")
_OTHER_OPERATORS = ("SplitToSequence", "ConcatFromSequence", "RegexFullMatch")
_OTHER_TYPES = ("sequence_type", "optional_type", "map_type", "sparse_tensor_type")


@dataclass(frozen=True)
class Case:
    """One case: ``title`` is the operator that it is about, or the kind of model."""

    name: str
    kind: str
    title: str
    operators: tuple[str, ...]
    plain: bool


@cache
def cases() -> dict[str, Case]:
    """Return every case by name, in the order of names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [_case(test, kind) for kind in KINDS for test in load_model_tests(kind=kind)]
    return {case.name: case for case in sorted(found, key=lambda case: case.name)}


def _case(test, kind: str) -> Case:
    model = test.model if test.model is not None else onnx.load(_file(test))
    operators = tuple(dict.fromkeys(_operator(node) for node in _nodes(model.graph)))
    title = _title(test.name, operators) if kind == "node" else f"models: {kind}"
    return Case(test.name, kind, title, operators, _plain(model))


def _title(name: str, operators: tuple[str, ...]) -> str:
    """Return the operator of a node test; an expanded case belongs to the operator that was expanded."""
    if "_expanded" not in name and len(operators) == 1:
        return operators[0]
    return _titles().get(name.split("_expanded", 1)[0], operators[0] if operators else "no operator")


@cache
def _titles() -> dict[str, str]:
    return {
        test.name: _operator(test.model.graph.node[-1])
        for test in load_model_tests(kind="node")
        if test.model is not None and test.model.graph.node
    }


def _file(test) -> Path:
    if test.model_dir is not None:
        return Path(test.model_dir) / "model.onnx"
    return Path(DATA_DIR).parents[3] / test.url


def _operator(node: NodeProto) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in {"", "ai.onnx"} else node.op_type


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from _nodes(inner)


def _plain(model: ModelProto) -> bool:
    if any(node.domain in _OTHER_DOMAINS for node in _nodes(model.graph)):
        return False
    if _training(model):
        return False
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    return not any(_unusual(value.type) for value in values) and not any(
        node.op_type.startswith(_OTHER_PREFIXES) or node.op_type in _OTHER_OPERATORS for node in _nodes(model.graph)
    )


def _training(model: ModelProto) -> bool:
    return any(
        (attribute.name == "training_mode" and attribute.i)
        for node in _nodes(model.graph)
        for attribute in node.attribute
    ) or any(node.op_type == "Dropout" and len(node.input) > 2 for node in _nodes(model.graph))


def _unusual(kind: TypeProto) -> bool:
    return kind.WhichOneof("value") in _OTHER_TYPES or kind.tensor_type.elem_type == TensorProto.STRING
