"""Telling models apart without converting them: a digest of the model, its external data and the options."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from tondo.plugin import LoadOptions
from tondo_onnx.read.files import ModelFiles
from tondo_onnx.read.tensors import external_place

_BLOCK_BYTES: Final = 1 << 24
_MAX_THREADS: Final = 8


def digest_of(model: ModelProto, data: bytes | None, files: ModelFiles, options: LoadOptions) -> str:
    """Return the SHA-256, in hexadecimal, of all that decides what the model is imported as.

    ``data`` is what the model was read from; None for a model that was made in memory, which is written once more.

    Raises:
        TondoError: TND-X001, TND-U006 for external data that cannot be read.
    """
    state = hashlib.sha256()
    for block in _blocks(memoryview(model.SerializeToString(deterministic=True) if data is None else data)):
        state.update(block)
    chosen = (
        sorted(options.inputs.items()),
        sorted(options.dimensions.items()),
        options.name,
        sorted(options.options.items()),
    )
    state.update(repr(chosen).encode())
    places = {external_place(tensor)[0] for tensor in _external(model)}
    for place in sorted(places):
        state.update(place.encode())
        stored = files.read(place, 0, None)
        state.update(str(len(stored)).encode())
        for block in _blocks(stored.data):
            state.update(block)
    return state.hexdigest()


def _sha256(data: memoryview) -> bytes:
    return hashlib.sha256(data).digest()


def _blocks(data: memoryview) -> list[bytes]:
    """SHA-256 of each block of ``data``, by several threads: weights are most of what a warm start reads."""
    parts = [data[begin : begin + _BLOCK_BYTES] for begin in range(0, len(data), _BLOCK_BYTES)]
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1), "tondo-digest") as executor:
        return list(executor.map(_sha256, parts))


def _external(model: ModelProto) -> Iterator[TensorProto]:
    yield from _graph(model.graph)
    for function in model.functions:
        yield from _nodes(function.node)


def _graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from (tensor for tensor in graph.initializer if tensor.data_location == TensorProto.EXTERNAL)
    yield from _nodes(graph.node)


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        yield from _node(node)


def _node(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR and attribute.t.data_location == TensorProto.EXTERNAL:
            yield attribute.t
        if attribute.type == AttributeProto.GRAPH:
            yield from _graph(attribute.g)
