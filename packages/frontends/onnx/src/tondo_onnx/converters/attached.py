"""Converters of operators that say themselves which nodes they are: ``Operator.nodes["onnx"]``, ``"domain::Op"``.

The inputs of the node are those of the operator in their order, its attributes those of the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tondo.ir import Attribute, Operator
from tondo_onnx.build.values import Value
from tondo_onnx.extension import OnnxConverter
from tondo_onnx.nodes.attributes import Attributes
from tondo_onnx.nodes.functions import domain_of
from tondo_onnx.nodes.site import Converter, Site

FORMAT = "onnx"


def attached_converters(operators: Iterable[Operator]) -> Iterator[OnnxConverter]:
    """Yield a converter for each of ``operators`` that names a node."""
    for operator in operators:
        name = operator.nodes.get(FORMAT)
        if name is not None:
            domain, _, op_type = name.rpartition("::")
            yield OnnxConverter(domain_of(domain), op_type, _converter(operator))


def _converter(operator: Operator) -> Converter:
    def convert(site: Site) -> tuple[Value, ...]:
        if operator.inputs is not None and len(site.inputs) != operator.inputs:
            site.invalid(f"it takes {operator.inputs} inputs, {len(site.inputs)} are given")
        for name in site.attributes.protos:
            if name not in operator.attributes:
                site.refuse(f"the operator '{operator.name}' has no attribute '{name}'")
        attrs = {
            name: _value(name, attribute, site.attributes)
            for name, attribute in operator.attributes.items()
            if name in site.attributes
        }
        return site.builder.call(operator.name, site.args, attrs, len(site.outputs))

    return convert


def _value(name: str, attribute: Attribute, given: Attributes) -> object:
    match attribute.kind:
        case "int":
            return given.integer(name)
        case "float":
            return given.number(name)
        case "str":
            return given.text(name)
        case "bool":
            return given.flag(name)
        case "ints":
            return given.ints(name)
        case "floats":
            return given.numbers(name)
        case "strs":
            return given.texts(name)
