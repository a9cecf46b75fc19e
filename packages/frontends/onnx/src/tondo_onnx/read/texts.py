"""Names in a model must be text.

The protobuf parser hands out bytes where the UTF-8 is damaged; nothing behind this check sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto

from tondo.diagnostics import fail


def check_texts(model: ModelProto) -> None:
    """Refuse a model with a name that is not UTF-8.

    Raises:
        TondoError: TND-M002.
    """
    for text in _model(model):
        if not isinstance(text, str):
            fail(
                "TND-M002",
                f"the model holds a name that is not UTF-8: {text!r}",
                help="the file is damaged; copy or export it again",
            )


def _model(model: ModelProto) -> Iterator[object]:
    yield from (entry.domain for entry in model.opset_import)
    yield from _graph(model.graph)
    for function in model.functions:
        yield from (function.name, function.domain, function.overload)
        yield from (entry.domain for entry in function.opset_import)
        yield from [*function.input, *function.output, *function.attribute]
        yield from _attributes(function.attribute_proto)
        yield from _nodes(function.node)


def _graph(graph: GraphProto) -> Iterator[object]:
    yield graph.name
    for tensor in graph.initializer:
        yield tensor.name
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    yield from _values([*graph.input, *graph.output])
    yield from _nodes(graph.node)


def _values(values: Iterable[ValueInfoProto]) -> Iterator[object]:
    for value in values:
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[object]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, node.overload)
        yield from [*node.input, *node.output]
        yield from _attributes(node.attribute)


def _attributes(attributes: Iterable[AttributeProto]) -> Iterator[object]:
    for attribute in attributes:
        yield from (attribute.name, attribute.ref_attr_name)
        if attribute.type == AttributeProto.GRAPH:
            yield from _graph(attribute.g)
        elif attribute.type == AttributeProto.TENSOR:
            yield attribute.t.name
            yield from (text for entry in attribute.t.external_data for text in (entry.key, entry.value))
